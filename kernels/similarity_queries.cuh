#pragma once

#include "kernels/device_tensor.h"
#include "kernels/similarity_rescore.cuh"

// Queries before a search: operands of the fast product and error bounds, one warp per query.

namespace salus::kernels::similarity {

inline LaunchShape queries_shape(std::int64_t queries) {
  return {.grid = {static_cast<unsigned>(padded_queries(queries) / 4)}, .block = {4 * kWarp}};
}

#if defined(__CUDACC__) || defined(SALUS_SIMT)

/// The scale by which a query is divided before it is rounded to T, so that nothing overflows.
/// Half: the power of two that brings the largest value into [2^14, 2^15).
template <typename T>
__device__ __forceinline__ float operand_scale(float largest) {
  if constexpr (sizeof(T) == 1) {
    return largest / 127;
  } else if constexpr (std::is_same_v<T, Half>) {
    const unsigned exponent = max(__float_as_uint(largest) >> 23, 15u);
    return __uint_as_float((exponent - 14) << 23);
  }
  return 1;
}

/// The operand nearest to value / scale, and in `back` its value.
template <typename T>
__device__ __forceinline__ T operand_of(float value, float scale, float& back) {
  if constexpr (sizeof(T) == 1) {
    const float quotient = scale > 0 ? value / scale : 0.0f;
    const int rounded = max(-127, min(127, __float2int_rn(quotient)));
    back = static_cast<float>(rounded);
    return static_cast<T>(rounded);
  } else if constexpr (sizeof(T) == 4) {
    back = __uint_as_float(round_to_tf32(__float_as_uint(value)));
    return back;
  } else {
    const T rounded = from_float<T>(value / scale);  // exact: a power of two, or 1
    back = to_float(rounded);
    return rounded;
  }
}

/// Writes the operands of a query (zeros beyond its end, or if it takes no part), 16 bytes at a
/// time; returns the lane's share of |q - q~|^2.
template <typename T>
__device__ __forceinline__ float write_operands(const float* query, int dim, bool takes_part,
                                                float scale, int chunks, unsigned char* to) {
  constexpr int kPer = kPer128<T>;
  float squares = 0;
  for (int g = lane_id(); g < chunks * (kChunkBytes / 16); g += kWarp) {
    Pack<T, kPer> pack;
    SALUS_UNROLL
    for (int i = 0; i < kPer; ++i) {
      const int d = g * kPer + i;
      float back = 0;
      float value = 0;
      if (takes_part && d < dim) value = __ldg(query + d);
      pack.v[i] = operand_of<T>(value, scale, back);
      const float error = fmaf(-scale, back, value);
      squares = fmaf(error, error, squares);
    }
    store128(reinterpret_cast<T*>(to) + g * kPer, pack);
  }
  return squares;
}

/// Operands, states and first thresholds of all queries; T is the type of the stored rows. Warps
/// beyond the queries write the zeros that fill the last tile.
template <typename T>
__global__ void __launch_bounds__(128)
    similarity_queries_kernel(const SimilarityProblem problem, const int chunks,
                              const ScanMemory memory) {
  const std::int64_t q = std::int64_t{blockIdx.x} * 4 + threadIdx.x / kWarp;
  const int dim = problem.rows.dim;
  const bool there = q < problem.queries;
  const float* query = problem.query + (there ? q * dim : 0);
  float sum = 0;
  float largest = 0;
  for (int d = lane_id(); there && d < dim; d += kSimilarityLanes) {
    const float value = __ldg(query + d);
    sum = fmaf(value, value, sum);
    largest = fmaxf(largest, fabsf(value));
  }
  QueryState state;
  state.squares = fold_lanes(sum);
  state.norm = sqrtf(state.squares);
  largest = warp_max(largest);
  const bool takes_part = there && similarity_takes_part(state.norm, problem.rows.cosine);
  state.scale = takes_part ? operand_scale<T>(largest) : 1.0f;
  unsigned char* operands = memory.operands + q * chunks * kChunkBytes;
  const float difference =
      warp_sum(write_operands<T>(query, dim, takes_part, state.scale, chunks, operands));
  if (q == 0 && lane_id() == 0) memory.chosen[0] = 0;
  if (!there || lane_id() != 0) return;
  state.bounds = similarity_query_bounds(norm_above(state.squares), norm_above(difference), dim,
                                         problem.rows.cosine, problem.rows.l2);
  if (!takes_part) state.norm = __uint_as_float(0x7fc00000u);
  memory.states[q] = state;
  memory.thresholds[q] = 0;
}

/// Lists the queries that the first pass left uncertain, for the second; one block.
__global__ void __launch_bounds__(kMergeThreads)
    similarity_choose_kernel(const bool* certain, const std::int64_t queries, int* chosen) {
  SALUS_SHARED(int, count, [1]);
  if (threadIdx.x == 0) count[0] = 0;
  __syncthreads();
  for (std::int64_t q = threadIdx.x; q < queries; q += kMergeThreads) {
    if (!certain[q]) chosen[1 + atomicAdd(&count[0], 1)] = static_cast<int>(q);
  }
  __syncthreads();
  if (threadIdx.x == 0) chosen[0] = count[0];
}

#endif

}  // namespace salus::kernels::similarity
