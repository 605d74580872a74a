// The readers of kernels/similarity for every instruction set: row by row for few queries, and
// float32 tiles where there is no matrix unit.
#include <algorithm>
#include <type_traits>

#include "kernels/similarity_scan.h"
#include "kernels/similarity_values.h"

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

HWY_INLINE int tile_lanes() { return static_cast<int>(hn::Lanes(D())); }

/// The sum of row * query in float32. Four sums hide the additions' latency; the rows come one by
/// one, in the order in which they lie in memory, which is what hardware prefetch follows.
template <typename T>
HWY_INLINE float dot_row(const T* row, const float* query, int dim) {
  const int step = tile_lanes();
  V s0 = hn::Zero(D()), s1 = s0, s2 = s0, s3 = s0;
  int d = 0;
  if (kVectorised<T>) {
    const auto add = [&](int at, V s) {
      return hn::MulAdd(load_as_float(D(), row + at), hn::LoadU(D(), query + at), s);
    };
    for (; d + 4 * step <= dim; d += 4 * step) {
      s0 = add(d, s0);
      s1 = add(d + step, s1);
      s2 = add(d + 2 * step, s2);
      s3 = add(d + 3 * step, s3);
    }
    for (; d + step <= dim; d += step) s0 = add(d, s0);
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
  const int step = tile_lanes();
  for (int row = 0; row < scan.count; row += step) {
    V v = hn::Mul(hn::LoadU(D(), sums + row), hn::Set(D(), unit));
    v = hn::Mul(v, hn::LoadU(D(), scan.multipliers + row));
    if (scan.offsets != nullptr) v = hn::Add(v, hn::LoadU(D(), scan.offsets + row));
    const V least = hn::Set(D(), scan.hits->thresholds()[query]);
    if (hn::AllFalse(D(), hn::Ge(v, least))) continue;
    HWY_ALIGN float values[16];
    hn::Store(v, D(), values);
    for (int i = 0; i < step; ++i) {
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

/// Products of 4 rows and the 16 queries of a tile, into values[4][16].
HWY_INLINE void multiply_float_tile(const float* rows, std::int64_t pitch, const float* queries,
                                    int dim, float* values) {
  const int step = tile_lanes();
  for (int c = 0; c < kTileQueries; c += step) {
    V s0 = hn::Zero(D()), s1 = s0, s2 = s0, s3 = s0;
    for (int d = 0; d < dim; ++d) {
      const V q = hn::LoadU(D(), queries + d * kTileQueries + c);
      s0 = hn::MulAdd(hn::Set(D(), rows[d]), q, s0);
      s1 = hn::MulAdd(hn::Set(D(), rows[pitch + d]), q, s1);
      s2 = hn::MulAdd(hn::Set(D(), rows[2 * pitch + d]), q, s2);
      s3 = hn::MulAdd(hn::Set(D(), rows[3 * pitch + d]), q, s3);
    }
    hn::StoreU(s0, D(), values + c);
    hn::StoreU(s1, D(), values + kTileQueries + c);
    hn::StoreU(s2, D(), values + 2 * kTileQueries + c);
    hn::StoreU(s3, D(), values + 3 * kTileQueries + c);
  }
}

void filter_float_tile(const BlockScan& scan, const float* values, int row, int query) {
  const int step = tile_lanes();
  for (int r = 0; r < 4; ++r) {
    const V a = hn::Set(D(), scan.multipliers[row + r]);
    const V b = hn::Set(D(), scan.offsets != nullptr ? scan.offsets[row + r] : 0.0f);
    for (int c = 0; c < kTileQueries; c += step) {
      const float* thresholds = scan.hits->thresholds() + query + c;
      const V v = hn::MulAdd(hn::LoadU(D(), values + r * kTileQueries + c), a, b);
      if (hn::AllFalse(D(), hn::Ge(v, hn::LoadU(D(), thresholds)))) continue;
      HWY_ALIGN float lanes[16];
      hn::Store(v, D(), lanes);
      for (int i = 0; i < step; ++i) {
        if (lanes[i] >= thresholds[i]) scan.hits->take(query + c + i, row + r, lanes[i]);
      }
    }
  }
}

/// int8 rows as they are: their scale is in the multiplier.
void decode_unscaled(const std::int8_t* from, int dim, float* to) {
  const hn::Rebind<std::int8_t, D> stored;
  int d = 0;
  for (; d + tile_lanes() <= dim; d += tile_lanes()) {
    hn::StoreU(hn::ConvertTo(D(), hn::PromoteTo(DI(), hn::LoadU(stored, from + d))), D(), to + d);
  }
  for (; d < dim; ++d) to[d] = static_cast<float>(from[d]);
}

void scan_float_tiles(const BlockScan& scan) {
  const int dim = scan.plan.dim;
  const std::int64_t tile_floats = scan.plan.packed_bytes() / 4;
  const std::int64_t pitch = scan.plan.decoded_bytes() / (kTileRows * 4);
  float* decoded = reinterpret_cast<float*>(scan.decoded);
  HWY_ALIGN float values[4 * kTileQueries];
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
      for (int r = 0; r < kTileRows; r += 4) {
        multiply_float_tile(decoded + r * pitch, pitch, queries, dim, values);
        filter_float_tile(scan, values, row + r, tile * kTileQueries);
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
