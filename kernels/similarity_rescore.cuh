#pragma once

#include <type_traits>

#include "kernels/similarity_select.cuh"

// The documented score of one row by one warp, and what scores stand for among selection values.

namespace salus::kernels::similarity {

#if defined(__CUDACC__) || defined(SALUS_SIMT)

/// Element `at` of the stored rows as float32; `scale` of its row if int8. The product is rounded
/// by itself: contracted with what follows, it would have other bits than the documented value.
template <typename T>
__device__ __forceinline__ float stored_value(const SimilarityRows& rows, std::int64_t at,
                                              float scale) {
  if constexpr (sizeof(T) == 1) {
    return __fmul_rn(scale, static_cast<float>(static_cast<const T*>(rows.stored)[at]));
  } else {
    return to_float(static_cast<const T*>(rows.stored)[at]);
  }
}

template <typename T>
__device__ __forceinline__ float row_scale(const SimilarityRows& rows, std::int64_t row) {
  if constexpr (sizeof(T) == 1) return __ldg(rows.scales + row);
  return 1;
}

/// Folds the partial sums s_j of lane j; every lane gets the documented sum.
__device__ __forceinline__ float fold_lanes(float sum) {
  for (int step = kSimilarityLanes / 2; step > 0; step /= 2) {
    sum = __fadd_rn(sum, __shfl_xor_sync(kAllLanes, sum, step));
  }
  return sum;
}

/// The sum over d of fma(q_d, x_d), or of the squared differences, with `value(d)` for x_d.
template <typename Value>
__device__ __forceinline__ float warp_sum_of_row(const float* query, int dim, bool differences,
                                                 Value value) {
  float sum = 0;
  for (int d = lane_id(); d < dim; d += kSimilarityLanes) {
    const float q = __ldg(query + d);
    const float x = value(d);
    const float e = __fadd_rn(q, -x);
    sum = differences ? fmaf(e, e, sum) : fmaf(q, x, sum);
  }
  return fold_lanes(sum);
}

/// The score of similarity_math.h of row `row` for the query whose values are at `query`; every
/// lane of the warp gets it.
template <typename T>
__device__ inline float warp_score(const SimilarityRows& rows, const float* query, float query_norm,
                                   std::int64_t row) {
  const std::int64_t begin = row * rows.dim;
  float sum;
  if (rows.exact != nullptr) {
    sum = warp_sum_of_row(query, rows.dim, rows.l2,
                          [&](int d) { return __ldg(rows.exact + begin + d); });
  } else {
    const float scale = row_scale<T>(rows, row);
    sum = warp_sum_of_row(query, rows.dim, rows.l2,
                          [&](int d) { return stored_value<T>(rows, begin + d, scale); });
  }
  if (rows.l2) return l2_score(sum);
  if (!rows.cosine) return inner_product_score(sum);
  return cosine_score(sum, query_norm, __ldg(rows.norms + row));
}

/// A lower bound of the selection value that `score` stands for: the roundings of this very
/// conversion are taken off.
__device__ __forceinline__ float standing_below(const SimilarityRows& rows, const QueryState& query,
                                                float score) {
  if (!similarity_can_rank(score)) return -kInfinity;
  const float value = rows.cosine ? score * query.norm : rows.l2 ? score + query.squares : score;
  const float magnitude = fabsf(value) + (rows.l2 ? query.squares - score : 0.0f);
  return value - 0x1p-20f * magnitude;
}

/// By how much a row whose selection value is at most `value` can exceed `score`; at least 0.
__device__ __forceinline__ float excess_above(const SimilarityRows& rows, const QueryState& query,
                                              float value, float score) {
  const float best = rows.cosine ? value / query.norm : rows.l2 ? value - query.squares : value;
  const float magnitude = fabsf(best) + fabsf(score) + (rows.l2 ? query.squares : 0.0f);
  const float excess = best - score + 0x1p-20f * magnitude;
  return excess > 0 ? excess : 0.0f;
}

/// What the device's own operands make of a block's bounds, which are those of bfloat16 (or int8)
/// operands x' of x: Half rows are multiplied as they are stored, float32 rows in TF32.
///   |x~| <= |x'| + |x' - s| + |s - x~| and |x - x~| <= |x - x'| + |x' - s| + |s - x~|,
/// s the stored row: |x' - s| <= 2^-8 |x'| (bfloat16 keeps 8 bits), |s - x~| <= 2^-11 |s|. Without
/// exact rows s is x, and |x - x~| <= 2^-11 |x| for float32, 0 for Half.
template <typename T>
__device__ __forceinline__ SimilarityBlockBounds operand_bounds(const SimilarityRows& rows,
                                                                SimilarityBlockBounds block) {
  if constexpr (sizeof(T) == 4 || std::is_same_v<T, Half>) {
    const float other = 0x1.1p-8f * block.product + 0x1p-120f * block.multiplier;
    const float own = sizeof(T) == 4 ? 0x1.2p-11f * block.product : 0.0f;
    block.rounding = rows.exact != nullptr ? block.rounding + other + own : own;
    block.product += other + own;
  }
  return block;
}

#endif

}  // namespace salus::kernels::similarity
