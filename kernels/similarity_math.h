#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/device.h"

// The scores of kernels/similarity, to the bit, for host, device and tests.
//
// One summation order for every sum of D terms: 32 partial sums,
//   s_j = fma(., ., s_j) over d = j, j + 32, j + 64, ... below D, from s_j = +0,
// then folded: s_j += s_(j+16) for j < 16, s_j += s_(j+8) for j < 8, and so on; s_0 is the sum.
// A missing element may also be added as fma(0, 0, s_j): that can change the sign of a zero only,
// and a score of zero is always +0.
//
//   dot(q, x)      = sum of fma(q_d, x_d)
//   squares(x)     = dot(x, x);   norm(x) = sqrtf(squares(x))
//   kInnerProduct    dot(q, x) + 0
//   kCosine          dot(q, x) / (norm(q) * norm(x)) + 0
//   kL2              0 - (sum of fma(e_d, e_d)),   e_d = q_d - x_d rounded to float32
//
// All in float32, to nearest, subnormals kept. Values of rows in float16 and bfloat16 are exact in
// float32; an int8 row's value is scale * float(stored), rounded once.

namespace salus::kernels {

inline constexpr int kSimilarityLanes = 32;

/// Cosine has no answer for rows and queries below this norm: they count as zero. Above it, squares
/// are far from underflow.
inline constexpr float kSmallestNorm = 0x1p-50f;

/// The partial sums of one thread (a warp has one per lane instead, and folds by __shfl_xor_sync,
/// which gives the same bits because addition commutes).
struct SimilaritySums {
  float s[kSimilarityLanes];

  SALUS_HD SimilaritySums() {
    for (int j = 0; j < kSimilarityLanes; ++j) s[j] = 0;
  }
  SALUS_HD float folded() {
    for (int step = kSimilarityLanes / 2; step > 0; step /= 2) {
      for (int j = 0; j < step; ++j) s[j] += s[j + step];
    }
    return s[0];
  }
};

/// `q(d)` and `x(d)` give element d as float32.
template <typename Q, typename X>
SALUS_HD float similarity_dot(int dim, Q q, X x) {
  SimilaritySums sums;
  for (int d = 0; d < dim; ++d) {
    float& s = sums.s[d % kSimilarityLanes];
    s = fmaf(q(d), x(d), s);
  }
  return sums.folded();
}

template <typename Q, typename X>
SALUS_HD float similarity_square_distance(int dim, Q q, X x) {
  SimilaritySums sums;
  for (int d = 0; d < dim; ++d) {
    const float e = q(d) - x(d);
    float& s = sums.s[d % kSimilarityLanes];
    s = fmaf(e, e, s);
  }
  return sums.folded();
}

SALUS_HD float inner_product_score(float dot) { return dot + 0.0f; }
SALUS_HD float cosine_score(float dot, float query_norm, float row_norm) {
  return dot / (query_norm * row_norm) + 0.0f;
}
SALUS_HD float l2_score(float square_distance) { return 0.0f - square_distance; }

/// A constant, because nvcc lets no device function call std::numeric_limits.
inline constexpr float kLargestScore = std::numeric_limits<float>::max();

/// Whether a query or row of this norm takes part.
SALUS_HD bool similarity_takes_part(float norm, bool cosine) {
  return norm <= kLargestScore && (!cosine || norm >= kSmallestNorm);
}

/// Scores that may stand in a list: neither NaN nor -inf.
SALUS_HD bool similarity_can_rank(float score) { return score >= -kLargestScore; }

/// The order of a list.
SALUS_HD bool similarity_before(float score_a, std::int64_t id_a, float score_b,
                                std::int64_t id_b) {
  return score_a > score_b || (score_a == score_b && id_a < id_b);
}

}  // namespace salus::kernels
