#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/similarity_merge.cuh"
#include "kernels/similarity_prepare.cuh"
#include "kernels/similarity_queries.cuh"
#include "kernels/similarity_scan.cuh"
#include "kernels/similarity_scan_plan_build.h"
#include "tests/support/simt/simt.h"

// A whole search by the text of the CUDA kernels under the emulator, and the same by the CPU
// operator. For *_simt_test.cpp files.
namespace salus::kernels::similarity {

template <typename T>
constexpr RowType kRowType = RowType::kFloat;
template <>
inline constexpr RowType kRowType<Half> = RowType::kHalf;
template <>
inline constexpr RowType kRowType<BFloat16> = RowType::kBFloat16;
template <>
inline constexpr RowType kRowType<std::int8_t> = RowType::kInt8;

enum class Kind { kInnerProduct, kCosine, kL2 };

/// A search: rows as stored, queries, and what is asked. Scales are for int8.
template <typename T>
struct Search {
  Kind kind = Kind::kInnerProduct;
  int dim = 1;
  int k = 10;
  bool exact = true;
  int candidates = 40;
  std::vector<T> rows;
  std::vector<float> scales;
  std::vector<float> exact_rows;
  std::vector<float> queries;
  std::vector<std::uint64_t> mask;
  bool mask_per_query = false;
  std::vector<std::int64_t> exclude;

  std::int64_t row_count() const { return static_cast<std::int64_t>(rows.size()) / dim; }
  std::int64_t query_count() const { return static_cast<std::int64_t>(queries.size()) / dim; }

  /// With null pointers for what an emulated launch must point at arrays.
  SimilarityProblem problem() const {
    SimilarityProblem problem;
    problem.rows.cosine = kind == Kind::kCosine;
    problem.rows.l2 = kind == Kind::kL2;
    problem.rows.type = kRowType<T>;
    problem.rows.count = row_count();
    problem.rows.dim = dim;
    problem.queries = query_count();
    problem.k = k;
    problem.exact = exact;
    problem.candidates = static_cast<int>(
        std::min<std::int64_t>(candidates, std::max<std::int64_t>(row_count(), k)));
    problem.mask_stride = mask_per_query ? (row_count() + 63) / 64 : 0;
    return problem;
  }
};

struct Found {
  std::vector<float> scores;
  std::vector<std::int64_t> ids;
  std::vector<bool> certain;
  std::vector<float> bound;
  std::vector<simt::Report> reports;  // queries, scan, merge [, choose, scan, merge]
  SearchPlan plan;
};

/// T{} values that the emulator sees as written, also where there are none.
template <typename T>
simt::Buffer<T> buffer(const char* name, const std::vector<T>& values) {
  return simt::Buffer<T>(name, values.empty() ? std::vector<T>(1) : values);
}

/// The arrays of an index, prepared by the kernel's text.
template <typename T>
struct EmulatedIndex {
  explicit EmulatedIndex(const Search<T>& search, int shift = 0)
      : stored(buffer("rows", shifted(search.rows, shift))),
        scales(buffer("scales", search.scales)),
        exact(buffer("exact", search.exact_rows)),
        norms("norms", count(search)),
        multipliers("multipliers", count(search)),
        offsets("offsets", count(search)),
        bounds("bounds", count(search) / kSimilarityBlock + 1),
        rows(search.problem().rows) {
    rows.stored = stored.data() + shift;
    rows.scales = scales.data();
    rows.exact = search.exact_rows.empty() ? nullptr : exact.data();
    rows.norms = norms.data();
    rows.multipliers = multipliers.data();
    rows.offsets = offsets.data();
    rows.bounds = bounds.data();
    if (rows.count > 0) {
      report =
          simt::launch(prepare_shape(rows.count), {.seed = 9}, similarity_prepare_kernel<T>, rows);
    }
  }

  static std::size_t count(const Search<T>& search) {
    return static_cast<std::size_t>(std::max<std::int64_t>(search.row_count(), 1));
  }
  static std::vector<T> shifted(const std::vector<T>& values, int shift) {
    std::vector<T> out(static_cast<std::size_t>(shift));
    out.insert(out.end(), values.begin(), values.end());
    return out;
  }

  simt::Buffer<T> stored;
  simt::Buffer<float> scales, exact, norms, multipliers, offsets;
  simt::Buffer<SimilarityBlockBounds> bounds;
  SimilarityRows rows;
  simt::Report report;  // of the kernel
};

/// The workspace as arrays of their own, so that each is named, bounded and counted.
struct EmulatedMemory {
  EmulatedMemory(const SearchPlan& plan, std::int64_t queries)
      : operands("operands", padded_queries(queries) * plan.first.chunks * kChunkBytes),
        states("states", queries),
        thresholds("thresholds", queries),
        lists("lists", queries * std::max(std::int64_t{plan.first.splits} * plan.first.keep,
                                          std::int64_t{plan.second.splits} * plan.second.keep)),
        counts("counts", queries * std::max(plan.first.splits, plan.second.splits)),
        chosen("chosen", 1 + queries),
        memory{operands.data(), states.data(), thresholds.data(),
               lists.data(),    counts.data(), chosen.data()} {}

  simt::Buffer<unsigned char> operands;
  simt::Buffer<QueryState> states;
  simt::Buffer<unsigned> thresholds;
  simt::Buffer<Key> lists;
  simt::Buffer<int> counts;
  simt::Buffer<int> chosen;
  ScanMemory memory;
};

struct EmulatorOptions {
  DeviceLimits limits{3, 163 * 1024};  // three multiprocessors of an A100
  simt::Options order{.seed = 1};
  int shift = 0;  // elements by which the rows are off their alignment
};

template <typename T>
void launch_second(const SimilarityProblem& problem, const SearchPlan& plan,
                   const ScanMemory& memory, const simt::Options& order, Found& found) {
  found.reports.push_back(simt::launch({.grid = {1}, .block = {kMergeThreads}}, order,
                                       similarity_choose_kernel, problem.certain, problem.queries,
                                       memory.chosen));
  found.reports.push_back(simt::launch(scan_shape(plan.second), order,
                                       similarity_scan_kernel<T, kFewQueries, true>, problem,
                                       plan.second, memory));
  found.reports.push_back(simt::launch(merge_shape(problem.queries, plan.merge_shared[1]), order,
                                       similarity_merge_kernel<float, true>, problem, plan.second,
                                       memory));
}

/// The launches of similarity_cuda.cu.
template <typename T>
Found emulate(const Search<T>& search, const EmulatorOptions& options = {}) {
  const EmulatedIndex<T> index(search, options.shift);
  SimilarityProblem problem = search.problem();
  problem.rows = index.rows;
  const auto queries = static_cast<std::size_t>(problem.queries);
  const std::size_t results = queries * static_cast<std::size_t>(problem.k);
  const auto query = buffer("query", search.queries);
  const auto mask = buffer("mask", search.mask);
  const auto exclude = buffer("exclude", search.exclude);
  const simt::Buffer<float> scores("scores", results);
  const simt::Buffer<std::int64_t> ids("ids", results);
  const simt::Buffer<bool> certain("certain", queries);
  const simt::Buffer<float> bound("bound", queries);
  problem.query = query.data();
  problem.mask = search.mask.empty() ? nullptr : mask.data();
  problem.exclude = search.exclude.empty() ? nullptr : exclude.data();
  problem.scores = scores.data();
  problem.ids = ids.data();
  problem.certain = certain.data();
  problem.bound = bound.data();
  Found found;
  found.plan = plan_search(problem, options.limits, options.shift == 0);
  const SearchPlan& plan = found.plan;
  const EmulatedMemory memory(plan, problem.queries);
  simt::Options order = options.order;
  order.most_shared_bytes = options.limits.shared_bytes;
  const auto scan = plan.first.query_tile == kManyQueries
                        ? similarity_scan_kernel<T, kManyQueries, false>
                        : similarity_scan_kernel<T, kFewQueries, false>;
  found.reports.push_back(simt::launch(queries_shape(problem.queries), order,
                                       similarity_queries_kernel<T>, problem, plan.first.chunks,
                                       memory.memory));
  found.reports.push_back(
      simt::launch(scan_shape(plan.first), order, scan, problem, plan.first, memory.memory));
  found.reports.push_back(simt::launch(merge_shape(problem.queries, plan.merge_shared[0]), order,
                                       similarity_merge_kernel<T, false>, problem, plan.first,
                                       memory.memory));
  if (problem.exact) launch_second<T>(problem, plan, memory.memory, order, found);
  found.scores.assign(scores.begin(), scores.end());
  found.ids.assign(ids.begin(), ids.end());
  found.certain.assign(certain.begin(), certain.end());
  found.bound.assign(bound.begin(), bound.end());
  return found;
}

}  // namespace salus::kernels::similarity
