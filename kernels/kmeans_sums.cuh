#pragma once

#include "kernels/device.h"
#include "kernels/kmeans_sums.h"

// One block per cluster, stripe of columns and split of the members: its warps take the members in
// turn, each thread four columns, so that every value of a point is read once. Sums are pairs of
// float32 whose rounding errors are added up beside them (Knuth's two-sum): about 48 bits without a
// float64 instruction, and the same for the same shape of launch.

namespace salus::kernels {

struct PairSum {
  float high = 0, low = 0;

  __device__ __forceinline__ void add(float value) {
    const float sum = high + value;
    const float back = sum - high;
    low += (high - (sum - back)) + (value - back);
    high = sum;
  }
};

template <bool kVectors>
__global__ void __launch_bounds__(kSumWarps* kWarp) kmeans_sums_kernel(KMeansSumsTask task) {
  SALUS_SHARED(float, high, [kSumWarps][kSumColumns]);
  SALUS_SHARED(float, low, [kSumWarps][kSumColumns]);
  const unsigned warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  const std::int64_t cluster = blockIdx.x, column = std::int64_t{blockIdx.y} * kSumColumns;
  const std::int64_t first = task.starts[cluster], count = task.starts[cluster + 1] - first;
  const std::int64_t each = (count + task.splits - 1) / task.splits;
  const std::int64_t begin = each * blockIdx.z;
  const std::int64_t end = begin + each < count ? begin + each : count;
  const std::int64_t left = task.dim - column;  // columns from the stripe's first one on
  const float* points = task.points + column;

  PairSum sums[4];
  for (std::int64_t m = begin + warp; m < end; m += kSumWarps) {
    const float* row = points + task.members[first + m] * task.dim;
    if (kVectors) {
      if (4 * lane < left) {
        const Pack<float, 4> four = load128(row + 4 * lane);
        SALUS_UNROLL
        for (unsigned j = 0; j < 4; ++j) sums[j].add(four.v[j]);
      }
    } else {
      SALUS_UNROLL
      for (unsigned j = 0; j < 4; ++j) {
        if (lane + kWarp * j < left) sums[j].add(row[lane + kWarp * j]);
      }
    }
  }
  SALUS_UNROLL
  for (unsigned j = 0; j < 4; ++j) {
    const unsigned at = kVectors ? 4 * lane + j : lane + kWarp * j;
    high[warp][at] = sums[j].high;
    low[warp][at] = sums[j].low;
  }
  __syncthreads();
  if (threadIdx.x >= left) return;
  PairSum all;
  for (unsigned w = 0; w < kSumWarps; ++w) {
    all.add(high[w][threadIdx.x]);
    all.low += low[w][threadIdx.x];
  }
  const std::int64_t half = task.clusters * task.dim;
  float* to = task.halves + (2 * std::int64_t{blockIdx.z}) * half + cluster * task.dim + column +
              threadIdx.x;
  to[0] = all.high;
  to[half] = all.low;
}

}  // namespace salus::kernels
