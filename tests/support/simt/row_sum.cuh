#pragma once

#include "kernels/device.h"

// The worked example of kernels/device.h.

namespace salus::kernels {

inline LaunchShape row_sum_shape(unsigned rows) { return {.grid = {rows}, .block = {128}}; }

template <typename T>
__global__ void __launch_bounds__(128)
    row_sum_kernel(const T* __restrict__ rows, float* __restrict__ sums, int columns) {
  SALUS_SHARED(float, partial, [4]);  // 128 threads are 4 warps
  const T* row = rows + std::int64_t{blockIdx.x} * columns;
  float sum = 0;
  for (int x = threadIdx.x; x < columns; x += blockDim.x) sum += to_float(row[x]);
  sum = warp_sum(sum);
  if (threadIdx.x % kWarp == 0) partial[threadIdx.x / kWarp] = sum;
  __syncthreads();
  if (threadIdx.x == 0) sums[blockIdx.x] = partial[0] + partial[1] + partial[2] + partial[3];
}

}  // namespace salus::kernels
