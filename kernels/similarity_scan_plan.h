#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/similarity_problem.h"

// How the CUDA half cuts a search into blocks, and where in the workspace its parts lie.
//
//   1 similarity_queries_kernel   queries -> operands of the fast product, and their bounds
//   2 similarity_scan_kernel      per tile of queries and split of the rows: the `keep` best by
//                                 U = V + e, an upper bound of what the row's score stands for
//                                 (similarity_bound.h); scores stay in registers
//   3 similarity_merge_kernel     the `keep` best of all splits, re-scored; list and certificate
//   4 similarity_choose_kernel    with `exact`: the numbers of the queries that are not certain
//   5 similarity_scan_kernel      those only; every row with U at least what the k-th score stands
//                                 for is re-scored in its block. One more pass over the rows per
//                                 tile of kFewQueries uncertain queries, and none if all are
//                                 certain: blocks without a query end at once
//   6 similarity_merge_kernel     the k best of those, which are exact
// All six are always launched and read what to do on the device: a CUDA graph can hold them.

namespace salus::kernels::similarity {

inline constexpr int kTileRows = 128;    // of one step; divides kSimilarityBlock
inline constexpr int kChunkBytes = 128;  // of each row and query that are in one step
inline constexpr int kStages = 4;
inline constexpr int kScanThreads = 256;
inline constexpr int kManyQueries = 64;
inline constexpr int kFewQueries = 8;
inline constexpr int kMergeThreads = 256;
inline constexpr int kMergeWarps = kMergeThreads / 32;
inline constexpr int kScanWords = 8;  // of shared memory per query beside its state
inline constexpr int kRoom = 32;      // entries that a list can at least take before it is cut back

/// Candidate: the upper half orders by value (order_of()), the lower half is the complement of the
/// row's number, so that greater keys are better and lower rows win ties. 0 is no candidate.
using Key = unsigned long long;

struct QueryState {
  SimilarityQueryBounds bounds;
  float scale = 0;    ///< the product P is the sum of the operands' products times this
  float norm = 0;     ///< |q|; NaN if the query takes no part
  float squares = 0;  ///< |q|^2
};

/// The device's limits; what it is, not what is free.
struct DeviceLimits {
  int processors = 1;
  std::size_t shared_bytes = 0;  ///< that one block may ask for
};

/// The launch of one pass over the rows.
struct ScanPlan {
  int query_tile = kFewQueries;
  int tiles = 0;     ///< of queries
  int splits = 0;    ///< of the rows
  int keep = 0;      ///< candidates that a split hands on per query
  int capacity = 0;  ///< candidates that a block can hold per query
  int chunks = 0;    ///< of a row
  int row_bytes = 0;
  bool resident = false;  ///< queries stay in shared memory, or else come along with each chunk
  bool vectors = false;   ///< rows can be read by 16 bytes
  std::int64_t split_rows = 0;
  std::size_t shared_bytes = 0;
};

/// The workspace's parts.
struct ScanMemory {
  unsigned char* operands = nullptr;  ///< [queries padded to kManyQueries][chunks][kChunkBytes]
  QueryState* states = nullptr;       ///< [queries]
  unsigned* thresholds = nullptr;     ///< [queries]: order_of() a value that `keep` rows reach
  Key* lists = nullptr;               ///< [queries][splits][keep]
  int* counts = nullptr;              ///< [queries][splits]: kDropped + entries of the list
  int* chosen = nullptr;              ///< [1 + queries]: how many, then which, are not certain
};

/// Added to a count if the split left out a row because others were better.
inline constexpr int kDropped = 1 << 30;

/// Both passes; the second one's lists take the place of the first one's.
struct SearchPlan {
  ScanPlan first;
  ScanPlan second;
  std::size_t merge_shared[2] = {0, 0};
  std::size_t workspace_bytes = 0;
};

inline std::int64_t padded_queries(std::int64_t queries) {
  return (queries + kManyQueries - 1) / kManyQueries * kManyQueries;
}

inline int element_bytes(RowType type) {
  return type == RowType::kFloat ? 4 : type == RowType::kInt8 ? 1 : 2;
}

}  // namespace salus::kernels::similarity
