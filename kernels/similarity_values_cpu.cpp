// Single rows of kernels/similarity on the CPU: values, documented sums, norms, bounds.
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "kernels/similarity_values.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/similarity_values_cpu.cpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace salus::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using DU = hn::RebindToUnsigned<D>;
using DI = hn::RebindToSigned<D>;
using V = hn::Vec<D>;
using VU = hn::Vec<DU>;

#include "kernels/convert-inl.h"

HWY_INLINE int lanes() { return static_cast<int>(hn::Lanes(D())); }

HWY_INLINE V load_as_float(D, const std::int8_t* from) {
  const hn::Rebind<std::int8_t, D> stored;
  return hn::ConvertTo(D(), hn::PromoteTo(DI(), hn::LoadU(stored, from)));
}

template <typename T>
void decode(const T* from, int dim, float scale, float* values) {
  int d = 0;
  constexpr bool kScaled = std::is_same_v<T, std::int8_t>;
  if (kVectorised<T>) {
    const V factor = hn::Set(D(), scale);
    for (; d + lanes() <= dim; d += lanes()) {
      const V v = load_as_float(D(), from + d);
      hn::StoreU(kScaled ? hn::Mul(v, factor) : v, D(), values + d);
    }
  }
  for (; d < dim; ++d) {
    if constexpr (kScaled) {
      values[d] = scale * static_cast<float>(from[d]);
    } else {
      values[d] = to_float(from[d]);
    }
  }
}

void decode_any(const SimilarityRows& rows, std::int64_t i, float* values) {
  const std::int64_t at = i * rows.dim;
  switch (rows.type) {
    case RowType::kFloat:
      return decode(static_cast<const float*>(rows.stored) + at, rows.dim, 1, values);
    case RowType::kHalf:
      return decode(static_cast<const Half*>(rows.stored) + at, rows.dim, 1, values);
    case RowType::kBFloat16:
      return decode(static_cast<const BFloat16*>(rows.stored) + at, rows.dim, 1, values);
    case RowType::kInt8:
      return decode(static_cast<const std::int8_t*>(rows.stored) + at, rows.dim, rows.scales[i],
                    values);
  }
}

/// The sum of fma(a_d, b_d) in the documented order. `Terms` gives both factors, as vectors and as
/// scalars.
template <class Terms>
float ordered_sum(int dim, const Terms& terms) {
  HWY_ALIGN float s[kSimilarityLanes] = {};
  int whole = 0;
#if HWY_NATIVE_FMA
  // Without the instruction, a vector multiplication and addition would round twice.
  whole = dim / kSimilarityLanes * kSimilarityLanes;
  const int step = lanes();
  for (int j = 0; j < kSimilarityLanes; j += 2 * step) {
    V first = hn::Zero(D()), second = first;
    for (int d = j; d < whole; d += kSimilarityLanes) {
      first = terms.add(d, first);
      second = terms.add(d + step, second);
    }
    hn::Store(first, D(), s + j);
    hn::Store(second, D(), s + j + step);
  }
#endif
  for (int d = whole; d < dim; ++d)
    s[d % kSimilarityLanes] = terms.add_one(d, s[d % kSimilarityLanes]);
  int half = kSimilarityLanes / 2;
  for (; half >= lanes(); half /= 2) {
    for (int j = 0; j < half; j += lanes()) {
      hn::Store(hn::Add(hn::Load(D(), s + j), hn::LoadU(D(), s + j + half)), D(), s + j);
    }
  }
  for (; half > 0; half /= 2) {
    for (int j = 0; j < half; ++j) s[j] += s[j + half];
  }
  return s[0];
}

struct Products {
  const float* a;
  const float* b;
  HWY_INLINE V add(int d, V s) const {
    return hn::MulAdd(hn::LoadU(D(), a + d), hn::LoadU(D(), b + d), s);
  }
  HWY_INLINE float add_one(int d, float s) const { return std::fma(a[d], b[d], s); }
};

struct SquaredDifferences {
  const float* a;
  const float* b;
  HWY_INLINE V add(int d, V s) const {
    const V e = hn::Sub(hn::LoadU(D(), a + d), hn::LoadU(D(), b + d));
    return hn::MulAdd(e, e, s);
  }
  HWY_INLINE float add_one(int d, float s) const {
    const float e = a[d] - b[d];
    return std::fma(e, e, s);
  }
};

float squares_of(const float* values, int dim) {
  return ordered_sum(dim, Products{values, values});
}

float difference_squares_of(const float* a, const float* b, int dim) {
  return ordered_sum(dim, SquaredDifferences{a, b});
}

/// The true values of row `i`: where they lie, or decoded into `space`.
const float* true_values(const SimilarityRows& rows, std::int64_t i, float* space) {
  if (rows.exact != nullptr) return rows.exact + i * rows.dim;
  if (rows.type == RowType::kFloat) return static_cast<const float*>(rows.stored) + i * rows.dim;
  decode_any(rows, i, space);
  return space;
}

int score_some(const SimilarityRows& rows, const QueryPlan& query, Hit* hits, int count) {
  HWY_ALIGN float space[4096];
  int kept = 0;
  for (int h = 0; h < count; ++h) {
    Hit hit = hits[h];
    if (!hit.scored()) {
      const float* x = true_values(rows, hit.id, space);
      float score = 0;
      if (rows.l2) {
        score = l2_score(difference_squares_of(query.values, x, rows.dim));
      } else {
        const float dot = ordered_sum(rows.dim, Products{query.values, x});
        score = rows.cosine ? cosine_score(dot, query.norm, rows.norms[hit.id])
                            : inner_product_score(dot);
      }
      hit.lower = hit.upper = score;
    }
    if (similarity_can_rank(hit.lower)) hits[kept++] = hit;
  }
  return kept;
}

float round_values(const float* values, int dim, BFloat16* rounded) {
  V squares = hn::Zero(D());
  float rest = 0;
  int d = 0;
  for (; d + lanes() <= dim; d += lanes()) {
    const V v = hn::LoadU(D(), values + d);
    store_from_float(D(), v, rounded + d);
    const V lost = hn::Sub(v, load_as_float(D(), rounded + d));
    squares = hn::MulAdd(lost, lost, squares);
  }
  for (; d < dim; ++d) {
    rounded[d] = from_float<BFloat16>(values[d]);
    const float lost = values[d] - to_float(rounded[d]);
    rest += lost * lost;
  }
  return norm_above(hn::GetLane(hn::SumOfLanes(D(), squares)) + rest);
}

void add_members(const float* points, std::int64_t stride, const std::int64_t* members,
                 std::int64_t count, int columns, double* sums) {
  const hn::CappedTag<double, 8> wide;
  const hn::Rebind<float, decltype(wide)> narrow;
  const auto step = static_cast<int>(hn::Lanes(wide));
  constexpr std::int64_t kAhead = 8;  // the points lie anywhere
  for (std::int64_t m = 0; m < count; ++m) {
    const float* point = points + members[m] * stride;
    const float* later = points + members[std::min(m + kAhead, count - 1)] * stride;
    for (int d = 0; d < columns; d += 16) hwy::Prefetch(later + d);
    int d = 0;
    for (; d + step <= columns; d += step) {
      const auto v = hn::PromoteTo(wide, hn::LoadU(narrow, point + d));
      hn::StoreU(hn::Add(hn::LoadU(wide, sums + d), v), wide, sums + d);
    }
    for (; d < columns; ++d) sums[d] += static_cast<double>(point[d]);
  }
}

/// What the fast product multiplies: bfloat16 of the row, or the int8 row as it is.
void operand_of(const SimilarityRows& rows, std::int64_t i, float* operand) {
  decode_any(rows, i, operand);
  if (rows.type == RowType::kInt8 || rows.type == RowType::kBFloat16) return;
  BFloat16 rounded[4096];
  round_values(operand, rows.dim, rounded);
  decode(rounded, rows.dim, 1, operand);
}

void prepare_row(const SimilarityRows& rows, std::int64_t i, SimilarityBlockBounds& bounds) {
  HWY_ALIGN float space[4096];
  HWY_ALIGN float operand[4096];
  const float* x = true_values(rows, i, space);
  const float squares = squares_of(x, rows.dim);
  const float norm = std::sqrt(squares);
  const bool takes_part = similarity_takes_part(norm, rows.cosine);
  const float a = rows.cosine ? 1 / norm : rows.l2 ? 2.0f : 1.0f;
  const float scale = rows.type == RowType::kInt8 ? rows.scales[i] : 1.0f;
  rows.norms[i] = norm;
  rows.multipliers[i] = takes_part ? a * scale : std::numeric_limits<float>::quiet_NaN();
  if (rows.l2) rows.offsets[i] = 0.0f - squares;
  if (!takes_part) return;
  operand_of(rows, i, operand);
  bounds.product = std::max(bounds.product, a * norm_above(squares_of(operand, rows.dim)));
  const float difference = difference_squares_of(x, operand, rows.dim);
  bounds.rounding = std::max(bounds.rounding, a * norm_above(difference));
  bounds.norm = std::max(bounds.norm, norm * (1 + 0x1p-10f));
  bounds.multiplier = std::max(bounds.multiplier, a);
}

void thresholds_of(const ChunkBounds& chunk, const SimilarityBlockBounds& block,
                   const float* floors, int count, float* errors, float* thresholds) {
  const auto set = [](float v) { return hn::Set(D(), v); };
  for (int q = 0; q < count; q += lanes()) {  // the arrays are padded to whole tiles
    const V norm = hn::LoadU(D(), chunk.rounding + q);
    V e = hn::MulAdd(hn::LoadU(D(), chunk.product + q), set(block.product),
                     hn::MulAdd(norm, set(block.rounding), hn::LoadU(D(), chunk.constant + q)));
    if (chunk.square > 0) {
      const V reach = hn::Add(norm, set(block.norm));
      e = hn::MulAdd(hn::Mul(reach, reach), set(chunk.square), e);
    }
    const V tiny = hn::MulAdd(set(block.multiplier), hn::Add(norm, set(1)), set(block.product));
    e = hn::Mul(hn::MulAdd(set(chunk.tiny), tiny, e), set(1 + 0x1p-7f));
    hn::StoreU(e, D(), errors + q);
    hn::StoreU(hn::Sub(hn::LoadU(D(), floors + q), e), D(), thresholds + q);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace salus::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace salus::kernels {

HWY_EXPORT(decode_any);
HWY_EXPORT(squares_of);
HWY_EXPORT(difference_squares_of);
HWY_EXPORT(round_values);
HWY_EXPORT(add_members);
HWY_EXPORT(score_some);
HWY_EXPORT(prepare_row);
HWY_EXPORT(thresholds_of);

void decode_row(const SimilarityRows& rows, std::int64_t i, float* values) {
  HWY_DYNAMIC_DISPATCH(decode_any)(rows, i, values);
}

float documented_squares(const float* values, int dim) {
  return HWY_DYNAMIC_DISPATCH(squares_of)(values, dim);
}

float documented_square_distance(const float* a, const float* b, int dim) {
  return HWY_DYNAMIC_DISPATCH(difference_squares_of)(a, b, dim);
}

float round_to_bfloat16(const float* values, int dim, BFloat16* rounded) {
  return HWY_DYNAMIC_DISPATCH(round_values)(values, dim, rounded);
}

void add_rows(const float* points, std::int64_t stride, const std::int64_t* members,
              std::int64_t count, int columns, double* sums) {
  HWY_DYNAMIC_DISPATCH(add_members)(points, stride, members, count, columns, sums);
}

int score_hits(const SimilarityRows& rows, const QueryPlan& query, Hit* hits, int count) {
  return HWY_DYNAMIC_DISPATCH(score_some)(rows, query, hits, count);
}

void block_thresholds(const ChunkBounds& chunk, const SimilarityBlockBounds& block,
                      const float* floors, int count, float* errors, float* thresholds) {
  HWY_DYNAMIC_DISPATCH(thresholds_of)(chunk, block, floors, count, errors, thresholds);
}

void similarity_prepare_cpu(const SimilarityRows& rows) {
  const std::int64_t blocks = (rows.count + kSimilarityBlock - 1) / kSimilarityBlock;
  at::parallel_for(0, blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) {
      SimilarityBlockBounds bounds;
      const std::int64_t last = std::min((block + 1) * kSimilarityBlock, rows.count);
      for (std::int64_t i = block * kSimilarityBlock; i < last; ++i) {
        HWY_DYNAMIC_DISPATCH(prepare_row)(rows, i, bounds);
      }
      rows.bounds[block] = bounds;
    }
  });
}

}  // namespace salus::kernels
#endif
