#include <gtest/gtest.h>

#include <string>

#include "kernels/similarity_scan_plan_build.h"

// How a search is cut for a device, and how much memory it asks for.
namespace salus::kernels::similarity {
namespace {

constexpr DeviceLimits kA100{108, 163 * 1024};
constexpr DeviceLimits kH100{132, 227 * 1024};

SimilarityProblem problem(std::int64_t queries, std::int64_t rows, int dim, int k, RowType type) {
  SimilarityProblem problem;
  problem.rows.type = type;
  problem.rows.count = rows;
  problem.rows.dim = dim;
  problem.queries = queries;
  problem.k = k;
  problem.candidates = 4 * k;
  return problem;
}

std::string refusal(const SimilarityProblem& problem, const DeviceLimits& limits) {
  try {
    plan_search(problem, limits, true);
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "";
}

void expect_fits(const ScanPlan& plan, const DeviceLimits& limits) {
  EXPECT_LE(plan.shared_bytes, limits.shared_bytes);
  EXPECT_GE(plan.capacity, plan.keep + kRoom);
  EXPECT_EQ(plan.split_rows % kTileRows, 0);
}

TEST(SimilarityScanPlanTest, EveryDimensionAndKFitsEveryDevice) {
  for (const DeviceLimits& limits : {kA100, kH100}) {
    for (const RowType type : {RowType::kFloat, RowType::kHalf, RowType::kInt8}) {
      for (const int dim : {1, 256, 1000, 4096}) {
        for (const int k : {1, 10, 100, 1024}) {
          for (const std::int64_t queries : {1, 64, 1000}) {
            SCOPED_TRACE(testing::Message() << dim << ", k " << k << ", queries " << queries);
            const SimilarityProblem asked = problem(queries, 100000, dim, k, type);
            const SearchPlan plan = plan_search(asked, limits, true);
            expect_fits(plan.first, limits);
            expect_fits(plan.second, limits);
            EXPECT_GE(plan.first.keep, k);
            EXPECT_EQ(plan.second.keep, k);
          }
        }
      }
    }
  }
}

TEST(SimilarityScanPlanTest, SplitsCoverEachRowOnceAndBusyTheDevice) {
  for (const std::int64_t rows : {0, 1, 128, 129, 13824, 100000, 1000000}) {
    for (const std::int64_t queries : {1, 64, 6400}) {
      const SearchPlan plan =
          plan_search(problem(queries, rows, 256, 10, RowType::kBFloat16), kH100, true);
      for (const ScanPlan& pass : {plan.first, plan.second}) {
        EXPECT_GE(pass.split_rows * pass.splits, rows);
        EXPECT_TRUE(pass.splits == 1 || pass.split_rows * (pass.splits - 1) < rows);
        EXPECT_GE(std::int64_t{pass.tiles} * pass.query_tile, queries);
      }
      EXPECT_TRUE(rows < 1000000 || plan.first.splits * plan.first.tiles >= 100);
    }
  }
}

TEST(SimilarityScanPlanTest, WorkspaceDoesNotGrowWithTheIndex) {
  const auto bytes = [](std::int64_t rows) {
    return plan_search(problem(64, rows, 256, 10, RowType::kBFloat16), kH100, true).workspace_bytes;
  };
  EXPECT_LE(bytes(1000000000), bytes(1000000) * 102 / 100);  // 132 splits instead of 131
  EXPECT_LT(bytes(1000000), 64u << 20);
}

TEST(SimilarityScanPlanTest, PartsOfTheWorkspaceAreAlignedAndApart) {
  const SearchPlan plan = plan_search(problem(9, 5000, 33, 7, RowType::kHalf), kA100, true);
  const ScanMemory memory = memory_of(plan, 9, nullptr);
  const auto at = [](const void* part) { return reinterpret_cast<std::intptr_t>(part); };
  const std::intptr_t begins[] = {at(memory.operands), at(memory.states), at(memory.thresholds),
                                  at(memory.lists),    at(memory.counts), at(memory.chosen)};
  const std::int64_t sizes[] = {64 * kChunkBytes,
                                9 * static_cast<std::int64_t>(sizeof(QueryState)),
                                9 * 4,
                                9 * std::int64_t{plan.first.splits} * plan.first.keep *
                                    static_cast<std::int64_t>(sizeof(Key)),
                                9 * std::int64_t{plan.first.splits} * 4,
                                10 * 4};
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(begins[i] % 64, 0) << i;
    const std::int64_t end =
        i < 5 ? begins[i + 1] : static_cast<std::int64_t>(plan.workspace_bytes);
    EXPECT_LE(begins[i] + sizes[i], end) << i;
  }
}

TEST(SimilarityScanPlanTest, RejectsAnIndexOf2To32Rows) {
  EXPECT_EQ(refusal(problem(1, (1ll << 32) - 1, 16, 1, RowType::kInt8), kH100), "");
  EXPECT_NE(refusal(problem(1, 1ll << 32, 16, 1, RowType::kInt8), kH100).find("at most 4294967295"),
            std::string::npos);
}

TEST(SimilarityScanPlanTest, RejectsADeviceWithTooLittleSharedMemory) {
  const std::string message =
      refusal(problem(1, 100, 16, 1024, RowType::kHalf), {20, std::size_t{96} * 1024});
  EXPECT_NE(message.find("98304 bytes of shared memory"), std::string::npos) << message;
}

}  // namespace
}  // namespace salus::kernels::similarity
