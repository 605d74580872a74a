#pragma once

#include <algorithm>

#include "kernels/kernel_cost.h"
#include "kernels/similarity_scan_plan.h"

namespace salus::kernels::similarity {

/// Bytes of a pass over the rows: these and what is known of them, each once.
inline double scanned_bytes(const SimilarityRows& rows) {
  const std::int64_t blocks = (rows.count + kSimilarityBlock - 1) / kSimilarityBlock;
  const std::int64_t row = std::int64_t{rows.dim} * element_bytes(rows.type) + (rows.l2 ? 8 : 4);
  return static_cast<double>(rows.count * row) +
         static_cast<double>(blocks * sizeof(SimilarityBlockBounds));
}

/// Adds the work of scoring every row against `queries` queries, whole tiles of them. TF32 products
/// take twice the time of 16-bit products, int8 half. Each score costs a multiply-add, its bound
/// and two comparisons.
inline void add_scores(const SimilarityRows& rows, double queries, KernelCost& cost) {
  constexpr double kScore = 8;
  const double kind = rows.type == RowType::kFloat ? 2 : rows.type == RowType::kInt8 ? 0.5 : 1;
  const double scores = queries * static_cast<double>(rows.count);
  cost.tensor_operations += 2 * scores * rows.dim * kind;
  cost.operations += kScore * scores;
}

/// similarity_prepare(): every stored value, its float32 original (if there is one) and every scale
/// are read once; norms, multipliers, offsets and a line of bounds per block are written. A value
/// takes three multiply-adds, a difference, and rounding to the operand and back.
inline KernelCost similarity_prepare_cost(const SimilarityRows& rows) {
  constexpr double kMultiplyAdd = 2, kInteger = 2;
  constexpr double kValue = 3 * kMultiplyAdd + 1 + 2 * kInteger;
  const auto count = static_cast<double>(rows.count);
  const double values = count * rows.dim;
  const std::int64_t blocks = (rows.count + kSimilarityBlock - 1) / kSimilarityBlock;
  KernelCost cost;
  cost.bytes_read = values * (element_bytes(rows.type) + (rows.exact != nullptr ? 4 : 0)) +
                    count * (rows.type == RowType::kInt8 ? 4 : 0);
  cost.bytes_written =
      count * (rows.l2 ? 12 : 8) + static_cast<double>(blocks * sizeof(SimilarityBlockBounds));
  cost.operations = kValue * values;
  return cost;
}

/// The work of a search whose queries are all certain after the first pass (the second one then
/// reads no row). Rows, what is known of them and the queries are read once; a list of `keep`
/// candidates per query and split is written and read again; scores are not written at all.
inline KernelCost similarity_cost(const SimilarityProblem& problem, const SearchPlan& plan) {
  const SimilarityRows& rows = problem.rows;
  const auto queries = static_cast<double>(problem.queries);
  const double lists = queries * plan.first.splits * (plan.first.keep * double{sizeof(Key)} + 4);
  KernelCost cost;
  cost.bytes_read = scanned_bytes(rows) + queries * rows.dim * 4 + lists;
  cost.bytes_written = lists + queries * (problem.k * 12 + 5);
  add_scores(rows, 1.0 * plan.first.query_tile * plan.first.tiles, cost);
  cost.launches = problem.exact ? 6 : 3;
  return cost;
}

/// What the second pass of an exact search finds to do, which depends on the rows.
struct SecondPass {
  std::int64_t queries = 0;   ///< that the first pass left uncertain
  std::int64_t rescored = 0;  ///< rows of each that may belong into its list: at least k
};

/// What that pass adds to similarity_cost(); its launches are counted there. Rows and what is known
/// of them are read once (blocks of kFewQueries queries each go through them side by side), queries
/// and the originals of re-scored rows once more; lists, of re-scored rows that are spread evenly
/// over the splits, are written and read again, and results are written again.
inline KernelCost similarity_second_cost(const SimilarityProblem& problem, const SearchPlan& plan,
                                         const SecondPass& found) {
  constexpr double kMultiplyAdd = 2;
  KernelCost cost;
  cost.launches = 0;
  if (found.queries == 0) return cost;
  const SimilarityRows& rows = problem.rows;
  const auto queries = static_cast<double>(found.queries);
  const std::int64_t tiles = (found.queries + kFewQueries - 1) / kFewQueries;
  const std::int64_t splits = plan.second.splits;
  const auto listed = static_cast<double>(std::min(found.rescored, splits * plan.second.keep));
  const double lists = queries * (listed * double{sizeof(Key)} + static_cast<double>(splits) * 4);
  const double rescored = queries * static_cast<double>(found.rescored) * rows.dim;
  cost.bytes_read = scanned_bytes(rows) + queries * rows.dim * 4 + lists +
                    (rows.exact != nullptr ? rescored * 4 : 0);
  cost.bytes_written = lists + queries * (problem.k * 12 + 5);
  add_scores(rows, static_cast<double>(tiles * kFewQueries), cost);
  cost.operations += kMultiplyAdd * rescored;
  return cost;
}

}  // namespace salus::kernels::similarity
