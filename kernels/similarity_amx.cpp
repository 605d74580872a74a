// The reader of kernels/similarity for processors with AMX: products of tiles of 16 rows and 16
// queries. Two by two tiles of results stay in tile registers while a row's 64-byte steps go by, so
// that each loaded tile is used twice; the results pass through 1 KiB of stack to be compared.
#include "kernels/similarity_scan.h"

#if defined(__x86_64__)
// GCC 12's own headers start "undefined" vectors from themselves (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

// Not -march: these functions alone use the instructions, after amx_available().
#define SALUS_AMX \
  __attribute__((target("amx-tile,amx-int8,amx-bf16,avx512f,avx512bw,avx512vl,avx512bf16,f16c")))

namespace salus::kernels {
namespace {

constexpr int kSide = 16;  // rows and columns of a tile

std::atomic<bool> amx_allowed{true};

/// The operand of LDTILECFG (Intel SDM volume 1, 18.2): palette 1, eight tiles of 16 x 64 bytes.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

bool ask_for_amx() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx512bf16") || !__builtin_cpu_supports("avx512bw")) return false;
  unsigned a = 0, b = 0, c = 0, d = 0;
  // CPUID leaf 7: EDX bit 22 AMX-BF16, 24 AMX-TILE, 25 AMX-INT8.
  __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(7), "c"(0));
  constexpr unsigned kNeeded = 1u << 22 | 1u << 24 | 1u << 25;
  if ((d & kNeeded) != kNeeded) return false;
  // Linux gives tile state (XSAVE component 18) to processes that ask for it.
  constexpr long kRequest = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

/// What rows a product multiplies: where they lie, and how far apart.
struct Operand {
  const char* rows;
  std::int64_t pitch;
};

SALUS_AMX void to_bfloat16(const float* from, int dim, char* to) {
  int d = 0;
  for (; d + 16 <= dim; d += 16) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 2 * d),
                        reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_loadu_ps(from + d))));
  }
  if (d == dim) return;
  const auto rest = static_cast<__mmask16>((1u << (dim - d)) - 1);
  const __m512 values = _mm512_maskz_loadu_ps(rest, from + d);
  _mm256_mask_storeu_epi16(to + 2 * d, rest, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(values)));
}

SALUS_AMX void to_bfloat16(const Half* from, int dim, char* to) {
  for (int d = 0; d < dim; d += 16) {
    const auto rest = static_cast<__mmask16>(dim - d >= 16 ? 0xffff : (1u << (dim - d)) - 1);
    const __m512 values = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(rest, from + d));
    _mm256_mask_storeu_epi16(to + 2 * d, rest,
                             reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(values)));
  }
}

/// Rows [row, row + kTileRows) of the block as tiles need them: in place if they lie so, or else
/// copied with zeros behind each row and below the last.
Operand operand_of(const BlockScan& scan, int row) {
  const SimilarityRows& rows = *scan.rows;
  const RowType type = scan.plan.type;
  const std::int64_t element = type == RowType::kInt8 ? 1 : type == RowType::kFloat ? 4 : 2;
  const std::int64_t stored = element * rows.dim;
  const char* from = static_cast<const char*>(rows.stored) + (scan.first + row) * stored;
  const bool as_stored = type == RowType::kInt8 || type == RowType::kBFloat16;
  const int there = std::min(scan.count - row, kTileRows);
  if (as_stored && stored % kTileStep == 0 && there == kTileRows) return {from, stored};

  const std::int64_t pitch = scan.plan.decoded_bytes() / kTileRows;
  const std::int64_t used = rows.dim * (type == RowType::kInt8 ? 1 : 2);
  for (int r = 0; r < kTileRows; ++r) {
    char* to = scan.decoded + r * pitch;
    if (r >= there) {
      std::memset(to, 0, static_cast<std::size_t>(pitch));
      continue;
    }
    const char* row_from = from + r * stored;
    if (as_stored) {
      std::memcpy(to, row_from, static_cast<std::size_t>(used));
    } else if (type == RowType::kFloat) {
      to_bfloat16(reinterpret_cast<const float*>(row_from), rows.dim, to);
    } else {
      to_bfloat16(reinterpret_cast<const Half*>(row_from), rows.dim, to);
    }
    std::memset(to + used, 0, static_cast<std::size_t>(pitch - used));
  }
  return {scan.decoded, pitch};
}

/// V of one row of a tile of results, for 16 queries.
template <bool kInt8, bool kOffset>
SALUS_AMX inline __m512 value_of(const void* results, int row, __m512 units, const BlockScan& scan,
                                 int block_row) {
  const char* line = static_cast<const char*>(results) + row * kTileStep;
  __m512 v = _mm512_load_ps(line);
  if (kInt8) v = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_castps_si512(v)), units);
  const __m512 a = _mm512_set1_ps(scan.multipliers[block_row]);
  if (kOffset) return _mm512_fmadd_ps(v, a, _mm512_set1_ps(scan.offsets[block_row]));
  return _mm512_mul_ps(v, a);
}

/// Reports the results that reach their thresholds. Nearly always there are none: one comparison of
/// the largest of 16 rows finds that out.
template <bool kInt8, bool kOffset>
SALUS_AMX inline void filter(const void* results, const BlockScan& scan, int row, int query) {
  const float* thresholds = scan.hits->thresholds() + query;
  const __m512 least = _mm512_loadu_ps(thresholds);
  const __m512 units = kInt8 ? _mm512_loadu_ps(scan.units + query) : _mm512_setzero_ps();
  __m512 largest = _mm512_set1_ps(-__builtin_inff());
  for (int r = 0; r < kSide; ++r) {
    const __m512 v = value_of<kInt8, kOffset>(results, r, units, scan, row + r);
    largest = _mm512_max_ps(v, largest);  // NaN in the first operand gives the second
  }
  if (_mm512_cmp_ps_mask(largest, least, _CMP_GE_OQ) == 0) return;
  for (int r = 0; r < kSide; ++r) {
    const __m512 v = value_of<kInt8, kOffset>(results, r, units, scan, row + r);
    unsigned reached = _mm512_cmp_ps_mask(v, _mm512_loadu_ps(thresholds), _CMP_GE_OQ);
    alignas(64) float values[kSide];
    if (reached != 0) _mm512_store_ps(values, v);
    for (; reached != 0; reached &= reached - 1) {
      const int q = __builtin_ctz(reached);
      scan.hits->take(query + q, row + r, values[q]);
    }
  }
}

/// The rows that come next, to be fetched while these are multiplied. In the order in which they
/// lie: tiles jump from row to row, which the processor's own prefetch does not follow. Spread over
/// all tiles of queries: a burst would fill the few outstanding misses, and stop the tiles' own
/// loads.
struct Prefetch {
  const char* rows = nullptr;
  int first_line = 0, last_line = 0;  ///< of the kTileRows cache lines of each step
};

SALUS_AMX inline void prefetch_share(const Prefetch& next, int step) {
  const char* share = next.rows + std::int64_t{step} * kTileStep * kTileRows;
  for (int line = next.first_line; line < next.last_line; ++line) {
    _mm_prefetch(share + line * kTileStep, _MM_HINT_T0);
  }
}

#define SALUS_TILE_PRODUCT(c, a, b) \
  if (kInt8) {                      \
    _tile_dpbssd(c, a, b);          \
  } else {                          \
    _tile_dpbf16ps(c, a, b);        \
  }

/// 32 rows against one or two tiles of queries.
template <bool kInt8, bool kOffset, int kTiles>
SALUS_AMX void multiply(const BlockScan& scan, const Operand& operand, int row, int tile,
                        const Prefetch& next) {
  const std::int64_t tile_bytes = scan.plan.packed_bytes();
  const int steps = static_cast<int>(tile_bytes / (kTileStep * kSide));
  const char* queries = static_cast<const char*>(scan.packed) + tile * tile_bytes;
  _tile_zero(0);
  _tile_zero(1);
  if (kTiles == 2) _tile_zero(2);
  if (kTiles == 2) _tile_zero(3);
  for (int s = 0; s < steps; ++s) {
    const char* a = operand.rows + std::int64_t{s} * kTileStep;
    const char* b = queries + std::int64_t{s} * kTileStep * kSide;
    _tile_loadd(6, b, kTileStep);
    _tile_loadd(4, a, operand.pitch);
    SALUS_TILE_PRODUCT(0, 4, 6);
    _tile_loadd(5, a + kSide * operand.pitch, operand.pitch);
    SALUS_TILE_PRODUCT(1, 5, 6);
    if (kTiles == 2) {
      _tile_loadd(7, b + tile_bytes, kTileStep);
      SALUS_TILE_PRODUCT(2, 4, 7);
      SALUS_TILE_PRODUCT(3, 5, 7);
    }
    prefetch_share(next, s);
  }
  alignas(64) char results[4][kSide * kTileStep];
  _tile_stored(0, results[0], kTileStep);
  _tile_stored(1, results[1], kTileStep);
  if (kTiles == 2) _tile_stored(2, results[2], kTileStep);
  if (kTiles == 2) _tile_stored(3, results[3], kTileStep);
  const int query = tile * kTileQueries;
  filter<kInt8, kOffset>(results[0], scan, row, query);
  filter<kInt8, kOffset>(results[1], scan, row + kSide, query);
  if (kTiles == 2) {
    filter<kInt8, kOffset>(results[2], scan, row, query + kTileQueries);
    filter<kInt8, kOffset>(results[3], scan, row + kSide, query + kTileQueries);
  }
}

#undef SALUS_TILE_PRODUCT

template <bool kInt8, bool kOffset>
void scan_block(const BlockScan& scan) {
  for (int row = 0; row < scan.count; row += kTileRows) {
    const Operand operand = operand_of(scan, row);
    const bool in_place = operand.rows != scan.decoded;
    const bool more = scan.first + row + 2 * kTileRows <= scan.rows->count;
    Prefetch next;
    if (in_place && more) next.rows = operand.rows + kTileRows * operand.pitch;
    for (int tile = 0; tile < scan.tiles; tile += 2) {
      if (next.rows != nullptr) {
        next.first_line = tile * kTileRows / scan.tiles;
        next.last_line = std::min(tile + 2, scan.tiles) * kTileRows / scan.tiles;
      }
      if (tile + 2 <= scan.tiles) {
        multiply<kInt8, kOffset, 2>(scan, operand, row, tile, next);
      } else {
        multiply<kInt8, kOffset, 1>(scan, operand, row, tile, next);
      }
    }
  }
}

SALUS_AMX void configure() {
  static const TileConfig config;
  _tile_loadconfig(&config);
}

SALUS_AMX void release() { _tile_release(); }

}  // namespace

bool amx_available() {
  static const bool available = ask_for_amx();
  return available && amx_allowed.load(std::memory_order_relaxed);
}

bool allow_amx(bool allowed) { return amx_allowed.exchange(allowed); }

void scan_block_amx(const BlockScan& scan) {
  configure();
  const bool int8 = scan.plan.type == RowType::kInt8;
  if (scan.offsets != nullptr) {
    int8 ? scan_block<true, true>(scan) : scan_block<false, true>(scan);
  } else {
    int8 ? scan_block<true, false>(scan) : scan_block<false, false>(scan);
  }
}

void release_amx() { release(); }

}  // namespace salus::kernels

#else

namespace salus::kernels {

bool amx_available() { return false; }
bool allow_amx(bool allowed) { return allowed; }
void scan_block_amx(const BlockScan&) {}
void release_amx() {}

}  // namespace salus::kernels

#endif
