#pragma once

#include "kernels/similarity_rescore.cuh"

// Norms, multipliers, offsets and error bounds of an index; reads each row once. One block per line
// of bounds.

namespace salus::kernels::similarity {

inline constexpr int kPrepareThreads = 256;

inline LaunchShape prepare_shape(std::int64_t rows) {
  const std::int64_t blocks = (rows + kSimilarityBlock - 1) / kSimilarityBlock;
  return {.grid = {static_cast<unsigned>(blocks)}, .block = {kPrepareThreads}};
}

#if defined(__CUDACC__) || defined(SALUS_SIMT)

/// The value that a bfloat16 (int8) product takes for a stored value: what bounds are about, on
/// every device, so that an index may move (operand_bounds() adapts them).
template <typename T>
__device__ __forceinline__ float common_operand(float value) {
  if constexpr (sizeof(T) == 1) return value;
  return to_float(from_float<BFloat16>(value));
}

/// Does one row by one warp and widens `bounds` by it.
template <typename T>
__device__ inline void prepare_row(const SimilarityRows& rows, std::int64_t row,
                                   SimilarityBlockBounds& bounds) {
  const std::int64_t begin = row * rows.dim;
  const float scale = row_scale<T>(rows, row);
  float sum = 0;
  float operand_squares = 0;
  float error_squares = 0;
  for (int d = lane_id(); d < rows.dim; d += kSimilarityLanes) {
    const float stored = stored_value<T>(rows, begin + d, scale);
    const float value = rows.exact != nullptr ? __ldg(rows.exact + begin + d) : stored;
    const float operand = common_operand<T>(stored);
    const float error = __fadd_rn(value, -operand);
    sum = fmaf(value, value, sum);
    operand_squares = fmaf(operand, operand, operand_squares);
    error_squares = fmaf(error, error, error_squares);
  }
  const float squares = fold_lanes(sum);
  operand_squares = warp_sum(operand_squares);
  error_squares = warp_sum(error_squares);
  const float norm = sqrtf(squares);
  const bool takes_part = similarity_takes_part(norm, rows.cosine);
  const float a = rows.cosine ? 1 / norm : rows.l2 ? 2.0f : 1.0f;
  if (lane_id() == 0) {
    rows.norms[row] = norm;
    rows.multipliers[row] = takes_part ? a * scale : __uint_as_float(0x7fc00000u);
    if (rows.l2) rows.offsets[row] = 0.0f - squares;
  }
  if (!takes_part) return;
  bounds.product = fmaxf(bounds.product, a * norm_above(operand_squares));
  bounds.rounding = fmaxf(bounds.rounding, a * norm_above(error_squares));
  bounds.norm = fmaxf(bounds.norm, norm_above(norm * norm));
  bounds.multiplier = fmaxf(bounds.multiplier, a);
}

/// rows.norms, .multipliers, .offsets and .bounds.
template <typename T>
__global__ void __launch_bounds__(kPrepareThreads)
    similarity_prepare_kernel(const __grid_constant__ SimilarityRows rows) {
  constexpr int kWarps = kPrepareThreads / static_cast<int>(kWarp);
  SALUS_SHARED(SimilarityBlockBounds, partial, [kWarps]);
  const int warp = static_cast<int>(threadIdx.x / kWarp);
  SimilarityBlockBounds bounds;
  for (int i = warp; i < kSimilarityBlock; i += kWarps) {
    const std::int64_t row = std::int64_t{blockIdx.x} * kSimilarityBlock + i;
    if (row < rows.count) prepare_row<T>(rows, row, bounds);
  }
  if (lane_id() == 0) partial[warp] = bounds;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int other = 1; other < kWarps; ++other) {
    bounds.product = fmaxf(bounds.product, partial[other].product);
    bounds.rounding = fmaxf(bounds.rounding, partial[other].rounding);
    bounds.norm = fmaxf(bounds.norm, partial[other].norm);
    bounds.multiplier = fmaxf(bounds.multiplier, partial[other].multiplier);
  }
  rows.bounds[blockIdx.x] = bounds;
}

#endif

}  // namespace salus::kernels::similarity
