#pragma once

#include <c10/util/Exception.h>

#include <algorithm>
#include <utility>

#include "kernels/similarity_scan_plan.h"

// How a search is cut, on the host; inline, because the CUDA half does not link to the CPU half.

namespace salus::kernels::similarity {
namespace detail {

inline constexpr std::size_t kLargestResident = std::size_t{64} * 1024;
inline constexpr std::int64_t kLargestRows = 0xffffffffll;  // a key has 32 bits for the row

inline std::int64_t up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// Bytes of shared memory without the candidates.
inline std::size_t fixed_bytes(const ScanPlan& plan) {
  const auto tile = static_cast<std::size_t>(plan.query_tile);
  const std::size_t streamed = plan.resident ? 0 : tile;
  const std::size_t stages = kStages * (kTileRows + streamed) * kChunkBytes;
  const std::size_t resident =
      plan.resident ? tile * static_cast<std::size_t>(plan.chunks) * kChunkBytes : 0;
  return stages + resident + tile * (sizeof(QueryState) + kScanWords * sizeof(float));
}

/// Sets capacity and shared memory of `plan`; false if they do not fit.
inline bool fit(ScanPlan& plan, const DeviceLimits& limits) {
  const auto tile = static_cast<std::size_t>(plan.query_tile);
  const std::size_t resident = tile * static_cast<std::size_t>(plan.chunks) * kChunkBytes;
  if (plan.resident && resident > kLargestResident) return false;
  const std::size_t fixed = fixed_bytes(plan);
  if (fixed >= limits.shared_bytes) return false;
  const auto most = static_cast<int>((limits.shared_bytes - fixed) / (tile * sizeof(Key)));
  plan.capacity = std::min(plan.keep + std::max(plan.keep, 2 * kRoom), most) / 2 * 2;
  plan.shared_bytes = fixed + tile * static_cast<std::size_t>(plan.capacity) * sizeof(Key);
  return plan.capacity >= plan.keep + kRoom;
}

inline void choose_tile(ScanPlan& plan, int largest_tile, const DeviceLimits& limits) {
  for (const int tile : {kManyQueries, kFewQueries}) {
    for (const bool resident : {true, false}) {
      plan.query_tile = tile;
      plan.resident = resident;
      if (tile <= largest_tile && fit(plan, limits)) return;
    }
  }
  TORCH_CHECK(false, "similarity: this device gives a block ", limits.shared_bytes,
              " bytes of shared memory, too few for k = ", plan.keep, ".");
}

/// Of whole tiles, as many as `wanted` if there are so many, and none empty.
inline void split_rows(ScanPlan& plan, std::int64_t rows, std::int64_t queries,
                       std::int64_t wanted) {
  plan.tiles = static_cast<int>((queries + plan.query_tile - 1) / plan.query_tile);
  const std::int64_t row_tiles = std::max<std::int64_t>((rows + kTileRows - 1) / kTileRows, 1);
  wanted = std::clamp<std::int64_t>(wanted, 1, row_tiles);
  const std::int64_t each = (row_tiles + wanted - 1) / wanted;
  plan.split_rows = each * kTileRows;
  plan.splits = static_cast<int>((row_tiles + each - 1) / each);
}

/// The second pass has few of its tiles to do, so each is cut for the whole device; but its lists,
/// which must be there for every query, are held to a bounded size.
inline std::int64_t second_splits(const SimilarityProblem& problem, std::int64_t processors) {
  constexpr std::int64_t kListBytes = 32 << 20;
  const std::int64_t each = problem.queries * problem.k * static_cast<std::int64_t>(sizeof(Key));
  return std::min(processors, std::max<std::int64_t>(kListBytes / each, 1));
}

inline std::size_t merge_bytes(const ScanPlan& plan) {
  // Each warp's list, and the indices of the final order.
  return static_cast<std::size_t>(kMergeWarps) *
         static_cast<std::size_t>(up(plan.keep + 2 * kRoom, 2)) * sizeof(Key);
}

}  // namespace detail

/// Where the parts of the workspace begin; from a null workspace, their offsets.
inline ScanMemory memory_of(const SearchPlan& plan, std::int64_t queries, void* workspace) {
  auto next = reinterpret_cast<std::intptr_t>(workspace);
  const auto take = [&](std::int64_t bytes) {
    return std::exchange(next, next + detail::up(bytes, 64));
  };
  const std::int64_t lists = std::max(std::int64_t{plan.first.splits} * plan.first.keep,
                                      std::int64_t{plan.second.splits} * plan.second.keep);
  const std::int64_t counts = std::max(plan.first.splits, plan.second.splits);
  ScanMemory memory;
  memory.operands = reinterpret_cast<unsigned char*>(
      take(padded_queries(queries) * plan.first.chunks * kChunkBytes));
  memory.states = reinterpret_cast<QueryState*>(take(queries * sizeof(QueryState)));
  memory.thresholds = reinterpret_cast<unsigned*>(take(queries * sizeof(unsigned)));
  memory.lists = reinterpret_cast<Key*>(take(queries * lists * sizeof(Key)));
  memory.counts = reinterpret_cast<int*>(take(queries * counts * sizeof(int)));
  memory.chosen = reinterpret_cast<int*>(take((1 + queries) * sizeof(int)));
  return memory;
}

/// \param vectors  whether the rows begin at a multiple of 16 bytes
/// \throws c10::Error if the index has too many rows, or the device too little shared memory.
inline SearchPlan plan_search(const SimilarityProblem& problem, const DeviceLimits& limits,
                              bool vectors) {
  TORCH_CHECK(problem.rows.count <= detail::kLargestRows,
              "similarity: on CUDA an index has at most ", detail::kLargestRows, " rows, not ",
              problem.rows.count, "; search parts of it and join them by similarity_merge().");
  ScanPlan plan;
  plan.row_bytes = problem.rows.dim * element_bytes(problem.rows.type);
  plan.chunks = static_cast<int>((plan.row_bytes + kChunkBytes - 1) / kChunkBytes);
  plan.vectors = vectors && plan.row_bytes % 16 == 0;
  SearchPlan search{plan, plan};
  const int wanted = static_cast<int>(detail::up(problem.k + std::max(16, problem.k / 4), 32));
  search.first.keep = std::min(problem.candidates, wanted);
  search.second.keep = problem.k;
  detail::choose_tile(search.first, problem.queries > kFewQueries ? kManyQueries : kFewQueries,
                      limits);
  detail::choose_tile(search.second, kFewQueries, limits);
  const std::int64_t tile = search.first.query_tile;
  detail::split_rows(search.first, problem.rows.count, problem.queries,
                     limits.processors / ((problem.queries + tile - 1) / tile));
  detail::split_rows(search.second, problem.rows.count, problem.queries,
                     detail::second_splits(problem, limits.processors));
  search.merge_shared[0] = detail::merge_bytes(search.first);
  search.merge_shared[1] = detail::merge_bytes(search.second);
  const ScanMemory end = memory_of(search, problem.queries, nullptr);
  search.workspace_bytes = static_cast<std::size_t>(
      detail::up(reinterpret_cast<std::intptr_t>(end.chosen + 1 + problem.queries), 64));
  return search;
}

}  // namespace salus::kernels::similarity
