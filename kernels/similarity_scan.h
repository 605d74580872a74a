#pragma once

#include <cstdint>

#include "kernels/similarity_hits.h"

// How the CPU reads an index: block by block of kSimilarityBlock rows, each against a chunk of
// queries. Three readers with one interface; all report the rows whose selection value V
// (similarity_bound.h) reaches the query's threshold, and write no scores anywhere.

namespace salus::kernels {

inline constexpr int kTileQueries = 16;  ///< queries of a tile, whatever the vector length
inline constexpr int kTileRows = 32;     ///< rows that are decoded at a time
inline constexpr int kTileStep = 64;     ///< bytes of a row that one tile product takes

enum class Reader : std::uint8_t {
  kVector,      ///< row by row, for few queries: as fast as memory
  kFloatTiles,  ///< float32 products of decoded rows: where there is no matrix unit
  kAmx          ///< tile products in bfloat16 or int8
};

/// The reader for so many queries, and what it works on.
struct ScanPlan {
  Reader reader = Reader::kVector;
  RowType type = RowType::kFloat;
  int dim = 0;

  bool int8_products() const { return type == RowType::kInt8 && reader != Reader::kFloatTiles; }
  /// Bytes of one packed tile of kTileQueries queries.
  std::int64_t packed_bytes() const;
  /// Bytes of kTileRows decoded rows, as the reader multiplies them.
  std::int64_t decoded_bytes() const;
};

/// Whether this processor and the operating system let us use its matrix unit (asked once), and
/// allow_amx() does.
bool amx_available();

/// For tests and measurements of the other readers; returns what was set before. True at start.
bool allow_amx(bool allowed);

/// One block of rows against a chunk of queries.
struct BlockScan {
  ScanPlan plan;
  const SimilarityRows* rows = nullptr;
  std::int64_t first = 0;  ///< row number
  int count = 0;           ///< 1 to kSimilarityBlock
  int queries = 0;
  int tiles = 0;                 ///< of kTileQueries queries
  const void* packed = nullptr;  ///< see pack_queries()
  const float* units = nullptr;  ///< [tiles * kTileQueries]: value of 1 in an int8 product; or null
  const float* multipliers = nullptr;  ///< [kSimilarityBlock]: NaN where a row is masked or missing
  const float* offsets = nullptr;      ///< [kSimilarityBlock], or null if all are 0
  char* decoded = nullptr;             ///< plan.decoded_bytes(), on a 64-byte boundary
  HitSink* hits = nullptr;
};

void scan_block_amx(const BlockScan& scan);
void scan_block_vector(const BlockScan& scan);
void scan_block_float_tiles(const BlockScan& scan);

/// Frees the matrix unit of this thread after its last block.
void release_amx();

/// Packs tile `tile` of `count` queries [count, dim]; where values[q] is null (takes no part, or
/// padding) zeros are packed. Layouts:
///   kVector      float32 or (int8 rows) int16 [16, dim rounded up to 64]
///   kFloatTiles  float32 [dim, 16]
///   kAmx         [step, 16 words, 16 queries] of 32-bit words: word w of step s is elements 2 (16
///   s +
///                w) and the next in bfloat16, or 4 (16 s + w) and the next three in int8
/// Also writes units[16], and differences[16]: an upper bound of |q - q~|.
void pack_tile(const ScanPlan& plan, const float* const values[kTileQueries], void* packed,
               float* units, float* differences);

}  // namespace salus::kernels
