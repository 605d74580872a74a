// The readers of kernels/similarity for every instruction set: row by row for few queries, and
// float32 tiles where there is no matrix unit.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <type_traits>

#include "kernels/similarity_scan.h"
#include "kernels/similarity_values.h"

// Tiles need vectors in arrays.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/similarity_tiles_cpu.cpp"
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

constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));

/// The sum of row * query in float32. Four sums hide the additions' latency; the rows come one by
/// one, in the order in which they lie in memory, which is what hardware prefetch follows.
template <typename T>
HWY_INLINE float dot_row(const T* row, const float* query, int dim) {
  V s0 = hn::Zero(D()), s1 = s0, s2 = s0, s3 = s0;
  int d = 0;
  if (kVectorised<T>) {
    const auto add = [&](int at, V s) {
      return hn::MulAdd(load_as_float(D(), row + at), hn::LoadU(D(), query + at), s);
    };
    for (; d + 4 * kLanes <= dim; d += 4 * kLanes) {
      s0 = add(d, s0);
      s1 = add(d + kLanes, s1);
      s2 = add(d + 2 * kLanes, s2);
      s3 = add(d + 3 * kLanes, s3);
    }
    for (; d + kLanes <= dim; d += kLanes) s0 = add(d, s0);
  }
  float sum = hn::GetLane(hn::SumOfLanes(D(), hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
  for (; d < dim; ++d) sum += to_float(row[d]) * query[d];
  return sum;
}

/// The same in whole numbers: int8 rows, int16 query.
HWY_INLINE float dot_row(const std::int8_t* row, const std::int16_t* query, int dim) {
  int d = 0;
  std::int32_t sum = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::Repartition<std::int16_t, D> d16;
  const hn::Rebind<std::int8_t, decltype(d16)> d8;
  const int step = static_cast<int>(hn::Lanes(d16));
  auto s0 = hn::Zero(DI()), s1 = s0, t0 = s0, t1 = s0;
  const auto load = [&](int at) { return hn::PromoteTo(d16, hn::LoadU(d8, row + at)); };
  for (; d + 2 * step <= dim; d += 2 * step) {
    s0 = hn::ReorderWidenMulAccumulate(DI(), load(d), hn::LoadU(d16, query + d), s0, t0);
    s1 = hn::ReorderWidenMulAccumulate(DI(), load(d + step), hn::LoadU(d16, query + d + step), s1,
                                       t1);
  }
  for (; d + step <= dim; d += step) {
    s0 = hn::ReorderWidenMulAccumulate(DI(), load(d), hn::LoadU(d16, query + d), s0, t0);
  }
  sum = hn::GetLane(hn::SumOfLanes(DI(), hn::Add(hn::Add(s0, s1), hn::Add(t0, t1))));
#endif
  for (; d < dim; ++d) sum += std::int32_t{row[d]} * query[d];
  return static_cast<float>(sum);
}

/// Reports the rows of a block whose V reaches the threshold of one query.
void filter_rows(const BlockScan& scan, const float* sums, int query) {
  const float unit = scan.units[query];
  for (int row = 0; row < scan.count; row += kLanes) {
    V v = hn::Mul(hn::LoadU(D(), sums + row), hn::Set(D(), unit));
    v = hn::Mul(v, hn::LoadU(D(), scan.multipliers + row));
    if (scan.offsets != nullptr) v = hn::Add(v, hn::LoadU(D(), scan.offsets + row));
    const V least = hn::Set(D(), scan.hits->thresholds()[query]);
    if (hn::AllFalse(D(), hn::Ge(v, least))) continue;
    HWY_ALIGN float values[16];
    hn::Store(v, D(), values);
    for (int i = 0; i < kLanes; ++i) {
      if (values[i] >= scan.hits->thresholds()[query]) scan.hits->take(query, row + i, values[i]);
    }
  }
}

constexpr std::int64_t kPrefetchBytes = 4096;

template <typename T, typename Q>
void scan_rows(const BlockScan& scan, const T* stored) {
  const int dim = scan.plan.dim;
  const std::int64_t pitch =
      scan.plan.packed_bytes() / (kTileQueries * static_cast<std::int64_t>(sizeof(Q)));
  const auto bytes = static_cast<std::int64_t>(sizeof(T)) * dim;
  const T* first = stored + scan.first * dim;
  HWY_ALIGN float sums[kSimilarityBlock];
  for (int q = 0; q < scan.queries; ++q) {
    const Q* query = static_cast<const Q*>(scan.packed) + q * pitch;
    for (int row = 0; row < scan.count; ++row) {
      const T* at = first + std::int64_t{row} * dim;
      for (std::int64_t byte = 0; q == 0 && byte < bytes; byte += 64) {
        hwy::Prefetch(reinterpret_cast<const char*>(at) + kPrefetchBytes + byte);
      }
      sums[row] = dot_row(at, query, dim);
    }
    filter_rows(scan, sums, q);
  }
}

void scan_vector(const BlockScan& scan) {
  const void* stored = scan.rows->stored;
  switch (scan.plan.type) {
    case RowType::kFloat:
      return scan_rows<float, float>(scan, static_cast<const float*>(stored));
    case RowType::kHalf:
      return scan_rows<Half, float>(scan, static_cast<const Half*>(stored));
    case RowType::kBFloat16:
      return scan_rows<BFloat16, float>(scan, static_cast<const BFloat16*>(stored));
    case RowType::kInt8:
      return scan_rows<std::int8_t, std::int16_t>(scan, static_cast<const std::int8_t*>(stored));
  }
}

#define SALUS_TILE_UNROLL _Pragma("GCC unroll 8")

/// Vectors of queries side by side, and rows: so many sums that additions never wait for each other.
constexpr int kVectors = kLanes >= kTileQueries ? 1 : 2;
constexpr int kRows = kLanes >= kTileQueries ? 8 : 4;

/// Reports which of kRows rows' selection values reach the thresholds of a vector of queries.
HWY_INLINE void report_column(const BlockScan& scan, const V (&values)[kRows][kVectors], int v,
                              int row, int query) {
  const float* thresholds = scan.hits->thresholds() + query;
  const V least = hn::LoadU(D(), thresholds);
  auto any = hn::Ge(values[0][v], least);
  SALUS_TILE_UNROLL for (int r = 1; r < kRows; ++r) any = hn::Or(any, hn::Ge(values[r][v], least));
  if (hn::AllFalse(D(), any)) return;
  HWY_ALIGN float lanes[16];
  for (int r = 0; r < kRows; ++r) {
    std::uint8_t bits[8] = {};
    hn::StoreMaskBits(D(), hn::Ge(values[r][v], least), bits);
    unsigned reached = bits[0] | unsigned{bits[1]} << 8;
    if (reached == 0) continue;
    hn::Store(values[r][v], D(), lanes);
    for (; reached != 0; reached &= reached - 1) {
      const int i = std::countr_zero(reached);
      if (lanes[i] >= thresholds[i]) scan.hits->take(query + i, row + r, lanes[i]);
    }
  }
}

/// kRows decoded rows and the 16 queries of a tile: products, selection values, reports.
HWY_INLINE void scan_float_tile(const BlockScan& scan, const float* rows, std::int64_t pitch,
                                const float* queries, int row, int query) {
  const D d;
  for (int c = 0; c < kTileQueries; c += kVectors * kLanes) {
    V sums[kRows][kVectors];
    SALUS_TILE_UNROLL for (int r = 0; r < kRows; ++r) {
      SALUS_TILE_UNROLL for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::Zero(d);
    }
    for (int i = 0; i < scan.plan.dim; ++i) {
      V of_queries[kVectors];
      SALUS_TILE_UNROLL for (int v = 0; v < kVectors; ++v) {
        of_queries[v] =
            hn::LoadU(d, queries + std::int64_t{i} * kTileQueries + c + std::int64_t{v} * kLanes);
      }
      SALUS_TILE_UNROLL for (int r = 0; r < kRows; ++r) {
        const V of_row = hn::Set(d, rows[r * pitch + i]);
        SALUS_TILE_UNROLL for (int v = 0; v < kVectors; ++v) {
          sums[r][v] = hn::MulAdd(of_row, of_queries[v], sums[r][v]);
        }
      }
    }
    SALUS_TILE_UNROLL for (int r = 0; r < kRows; ++r) {
      const V a = hn::Set(d, scan.multipliers[row + r]);
      const V b = hn::Set(d, scan.offsets != nullptr ? scan.offsets[row + r] : 0.0f);
      SALUS_TILE_UNROLL for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = hn::MulAdd(sums[r][v], a, b);
      }
    }
    SALUS_TILE_UNROLL for (int v = 0; v < kVectors; ++v) {
      report_column(scan, sums, v, row, query + c + v * kLanes);
    }
  }
}

/// int8 rows as they are: their scale is in the multiplier.
void decode_unscaled(const std::int8_t* from, int dim, float* to) {
  const hn::Rebind<std::int8_t, D> stored;
  int d = 0;
  for (; d + kLanes <= dim; d += kLanes) {
    hn::StoreU(hn::ConvertTo(D(), hn::PromoteTo(DI(), hn::LoadU(stored, from + d))), D(), to + d);
  }
  for (; d < dim; ++d) to[d] = static_cast<float>(from[d]);
}

void scan_float_tiles(const BlockScan& scan) {
  const int dim = scan.plan.dim;
  const std::int64_t tile_floats = scan.plan.packed_bytes() / 4;
  const std::int64_t pitch = scan.plan.decoded_bytes() / (std::int64_t{kTileRows} * 4);
  float* decoded = reinterpret_cast<float*>(scan.decoded);
  for (int row = 0; row < scan.count; row += kTileRows) {
    for (int r = 0; r < kTileRows; ++r) {
      const std::int64_t i = scan.first + std::min(row + r, scan.count - 1);
      if (scan.plan.type == RowType::kInt8) {
        decode_unscaled(static_cast<const std::int8_t*>(scan.rows->stored) + i * dim, dim,
                        decoded + r * pitch);
      } else {
        decode_row(*scan.rows, i, decoded + r * pitch);
      }
    }
    for (int tile = 0; tile < scan.tiles; ++tile) {
      const float* queries = static_cast<const float*>(scan.packed) + tile * tile_floats;
      for (int r = 0; r < kTileRows; r += kRows) {
        scan_float_tile(scan, decoded + r * pitch, pitch, queries, row + r, tile * kTileQueries);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace salus::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace salus::kernels {

HWY_EXPORT(scan_vector);
HWY_EXPORT(scan_float_tiles);

void scan_block_vector(const BlockScan& scan) { HWY_DYNAMIC_DISPATCH(scan_vector)(scan); }
void scan_block_float_tiles(const BlockScan& scan) { HWY_DYNAMIC_DISPATCH(scan_float_tiles)(scan); }

}  // namespace salus::kernels
#endif
