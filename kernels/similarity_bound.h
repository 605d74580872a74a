#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/device.h"

// How far an approximate score can be from the float32 score that similarity_math.h defines.
//
// Names: u = 2^-24; q, x the float32 query and row; q~, x~ what the fast product multiplies (both
// rounded to bfloat16, or both to int8 times a scale); P its result; n = D; m = ceil(n / 32) + 5,
// the most roundings that a term of a documented sum goes through; |.| the 2-norm.
//
// (1) Documented sum: |dot - q.x| <= g |q| |x| with g = (m + 1) u, by Cauchy-Schwarz on sum |q_d
// x_d|. (2) Fast product: |P - q~.x~| <= h |q~| |x~| with h = (n + 8) 2^-22: every addition may
// lose up to
//     4 u (tensor cores cut instead of rounding), whatever the order; the 8 pay for the roundings
//     of an int8 product's scales. Matrix units treat subnormals as zero: at most 2^-126 (sqrt(n)
//     (|q~| + |x~|) + n) more.
// (3) Operands: |q~.x~ - q.x| <= |q - q~| |x~| + |q| |x - x~|.
//
// Selection value: V = a P + b in float32, per row the multiplier a and the offset b:
//                     a                b               V stands for
//   kInnerProduct     1                0               score
//   kCosine           1 / norm(x)      0               score * norm(q)
//   kL2               2                -squares(x)     score + squares(q)
// (rows in int8: their scale is multiplied into `multipliers`, P is then sum * scale of the query).
// A row that takes no part has a = NaN, so that it never passes a comparison.
//
// By (1)-(3), with |x| <= |x~| + |x - x~|, V differs from what it stands for by at most e:
//
//   e = C0 B0 + C1 B1 + s (|q| + B2)^2 + c |q| + 2^-126 n (B3 (1 + |q|) + B0)
//
//   C0 = |q - q~| + (h + g) |q~|           C1 = |q|
//   s = 3 (m + 16) u for kL2, or else 0    c = 16 u for kCosine, or else 0
//
// where B0 = largest a |x~|, B1 = largest a |x - x~|, B2 = largest |x|, B3 = largest a over the
// rows of a block (a without the int8 scale). The L2 term holds the roundings of the documented
// distance
// ((m + 2) u (|q| + |x|)^2), of squares(x) and squares(q) (m u each), of the multiplication and
// addition, and of float32 arithmetic on V; the cosine term those of both norms' product, the
// division and a, and of arithmetic on V.
// Products of two of these small terms (all below 2^-9) are paid for by a factor of 1 + 2^-7.
//
// So a row with V < (what a score T stands for) - e has a score below T.

namespace salus::kernels {

/// Rows that share one line of `bounds`: B0, B1, B2, B3.
inline constexpr std::int64_t kSimilarityBlock = 256;

struct SimilarityBlockBounds {
  float product = 0;     ///< B0
  float rounding = 0;    ///< B1
  float norm = 0;        ///< B2
  float multiplier = 0;  ///< B3
};

/// An upper bound of a norm whose float32 or float64 sum of squares (at most 4096 terms, any order)
/// is `squares`.
SALUS_HD float norm_above(float squares) { return sqrtf(squares) * (1 + 0x1p-10f) + 0x1p-66f; }

/// The side of the query: C0, C1 and what is the same for all blocks.
struct SimilarityQueryBounds {
  float product = 0;   ///< C0
  float rounding = 0;  ///< C1 = upper bound of |q|
  float square = 0;    ///< 3 (m + 16) u for kL2, or else 0
  float constant = 0;  ///< 16 u |q| for kCosine, or else 0
  float tiny = 0;      ///< 2^-126 n
};

/// \param norm        upper bound of |q|
/// \param difference  upper bound of |q - q~|
SALUS_HD SimilarityQueryBounds similarity_query_bounds(float norm, float difference, int dim,
                                                       bool cosine, bool l2) {
  constexpr float kUnit = 0x1p-24f;
  const int sums = (dim + 31) / 32;
  const float m = static_cast<float>(sums + 5);
  const float h = static_cast<float>(dim + 16) * 0x1p-22f;
  SimilarityQueryBounds bounds;
  bounds.product = difference + (h + (m + 1) * kUnit) * (norm + difference);
  bounds.rounding = norm;
  bounds.square = l2 ? 3 * (m + 16) * kUnit : 0.0f;
  bounds.constant = cosine ? 16 * kUnit * norm : 0.0f;
  bounds.tiny = 0x1p-126f * static_cast<float>(dim);
  return bounds;
}

/// e of the derivation, for every row of a block.
SALUS_HD float similarity_error(const SimilarityQueryBounds& query,
                                const SimilarityBlockBounds& block) {
  // Conditional: the square may overflow, and 0 * inf would be no bound at all.
  const float reach = query.rounding + block.norm;
  const float square = query.square > 0 ? query.square * reach * reach : 0.0f;
  const float e = query.product * block.product + query.rounding * block.rounding + square +
                  query.constant +
                  query.tiny * (block.multiplier * (1 + query.rounding) + block.product);
  return e * (1 + 0x1p-7f);
}

}  // namespace salus::kernels
