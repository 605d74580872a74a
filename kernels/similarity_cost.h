#pragma once

#include "kernels/kernel_cost.h"
#include "kernels/similarity_scan_plan.h"

namespace salus::kernels::similarity {

/// The work of a search whose queries are all certain after the first pass (the second one then
/// reads no row). Rows, what is known of them and the queries are read once; a list of `keep`
/// candidates per query and split is written and read again; scores are not written at all.
/// Products are of whole tiles of queries; TF32 takes twice the time of 16-bit products, int8 half.
/// Each score costs a multiply-add, its bound and two comparisons.
inline KernelCost similarity_cost(const SimilarityProblem& problem, const SearchPlan& plan) {
  constexpr double kScore = 8;
  const SimilarityRows& rows = problem.rows;
  const auto count = static_cast<double>(rows.count);
  const auto queries = static_cast<double>(problem.queries);
  const std::int64_t blocks = (rows.count + kSimilarityBlock - 1) / kSimilarityBlock;
  const double tile_queries = 1.0 * plan.first.query_tile * plan.first.tiles;
  const double kind = rows.type == RowType::kFloat ? 2 : rows.type == RowType::kInt8 ? 0.5 : 1;
  const double lists = queries * plan.first.splits * (plan.first.keep * double{sizeof(Key)} + 4);
  KernelCost cost;
  cost.bytes_read = count * (rows.dim * element_bytes(rows.type) + 4 + (rows.l2 ? 4 : 0)) +
                    static_cast<double>(blocks * sizeof(SimilarityBlockBounds)) +
                    queries * rows.dim * 4 + lists;
  cost.bytes_written = lists + queries * (problem.k * 12 + 5);
  cost.tensor_operations = 2 * tile_queries * count * rows.dim * kind;
  cost.operations = kScore * tile_queries * count;
  cost.launches = problem.exact ? 6 : 3;
  return cost;
}

}  // namespace salus::kernels::similarity
