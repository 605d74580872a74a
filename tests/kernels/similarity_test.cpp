// The contract of kernels/similarity.h on every device.
#include "kernels/similarity.h"

#include <limits>

#include "kernels/dispatch.h"
#include "tests/kernels/similarity_cases.h"

namespace salus::kernels {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

/// One device, one type of stored row, one metric.
class SimilarityTest
    : public ::testing::TestWithParam<std::tuple<at::DeviceType, at::ScalarType, Metric>> {
 protected:
  void SetUp() override {
    if (device() == at::kCUDA && !cuda_problem().empty()) GTEST_SKIP() << cuda_problem();
  }
  at::DeviceType device() const { return std::get<0>(GetParam()); }
  at::ScalarType type() const { return std::get<1>(GetParam()); }
  Metric metric() const { return std::get<2>(GetParam()); }
  SimilarityIndex index(const at::Tensor& rows, bool exact = false) const {
    return index_of(rows.to(device()), type(), metric(), exact);
  }
};

TEST_P(SimilarityTest, ListsAreTheReferencesToTheBitAtEverySize) {
  // Around the edges of tiles (16 queries, 32 rows), blocks (256 rows) and steps (32 or 64 values).
  const std::int64_t sizes[][4] = {{1, 1, 1, 1},     {1, 257, 64, 10},  {3, 31, 33, 5},
                                   {4, 512, 96, 1},  {5, 33, 63, 40},   {15, 255, 31, 10},
                                   {16, 256, 32, 3}, {17, 300, 100, 7}, {33, 700, 65, 16}};
  for (const auto& [q, n, d, k] : sizes) {
    SCOPED_TRACE(std::to_string(q) + " queries, " + std::to_string(n) + " rows of " +
                 std::to_string(d) + ", k " + std::to_string(k));
    const SimilarityIndex rows = index(normal_rows(n, d, 1));
    const at::Tensor queries = normal_rows(q, d, 2).to(device());
    expect_exact(similarity_topk(queries, rows, {.k = k}), queries, rows, k);
  }
}

TEST_P(SimilarityTest, OriginalsDecideScoresAndOrder) {
  const SimilarityIndex rows = index(normal_rows(600, 48, 3), true);
  const at::Tensor queries = normal_rows(20, 48, 4).to(device());
  expect_exact(similarity_topk(queries, rows, {.k = 10}), queries, rows, 10);
}

TEST_P(SimilarityTest, EqualScoresAreInTheOrderOfTheirIds) {
  const SimilarityIndex rows = index(tied_rows(900, 5, 5));
  const at::Tensor queries = tied_rows(18, 5, 6).to(device());
  const SimilarityResult result = similarity_topk(queries, rows, {.k = 30});
  expect_exact(result, queries, rows, 30);
  if (metric() == Metric::kInnerProduct) {  // the case is only worth something if there are ties
    EXPECT_GT((result.scores.slice(1, 1) == result.scores.slice(1, 0, -1)).sum().item<int>(), 100);
  }
}

TEST_P(SimilarityTest, RowsThatCannotBeScoredAreNeverFound) {
  at::Tensor values = normal_rows(40, 20, 7);
  values[3][19] = kNaN;
  values[8][0] = kInf;
  values[9][1] = -kInf;
  values[11].fill_(0);
  values[12].fill_(1e-30);
  values[38].fill_(1e19);  // its norm overflows
  if (type() == at::kHalf) values[38].fill_(kInf);
  const SimilarityIndex rows = index(values);
  const at::Tensor queries = normal_rows(6, 20, 8).to(device());
  const SimilarityResult result = similarity_topk(queries, rows, {.k = 45});
  expect_exact(result, queries, rows, 45);
  const std::int64_t usable = metric() == Metric::kCosine ? 34 : 36;
  EXPECT_EQ((result.ids >= 0).sum().item<std::int64_t>(), 6 * usable);
  EXPECT_TRUE((result.scores.slice(1, usable) == -kInf).all().item<bool>());
  EXPECT_TRUE((result.ids.slice(1, usable) == -1).all().item<bool>());
}

TEST_P(SimilarityTest, QueriesThatCannotBeScoredFindNothing) {
  const SimilarityIndex rows = index(normal_rows(50, 33, 9));
  at::Tensor queries = normal_rows(18, 33, 10);
  queries[0][5] = kNaN;
  queries[2][0] = kInf;
  queries[17][32] = -kInf;
  queries[4].fill_(0);
  const SimilarityResult result = similarity_topk(queries.to(device()), rows, {.k = 3});
  expect_exact(result, queries, rows, 3);
  for (const std::int64_t q : {0, 2, 17}) EXPECT_EQ(result.ids[q][0].item<std::int64_t>(), -1);
  EXPECT_EQ(result.ids[4][0].item<std::int64_t>() == -1, metric() == Metric::kCosine);
}

TEST_P(SimilarityTest, MaskAndExcludedRowAreNeverFound) {
  const std::int64_t n = 300, queries = 19;
  const SimilarityIndex rows = index(normal_rows(n, 40, 11));
  const at::Tensor values = normal_rows(queries, 40, 12).to(device());
  for (const bool per_query : {false, true}) {
    at::Tensor words = at::zeros({per_query ? queries : 1, (n + 63) / 64}, at::kLong);
    at::Tensor exclude = at::full({queries}, -1, at::kLong);
    std::vector<std::vector<bool>> allowed(queries, std::vector<bool>(n));
    for (std::int64_t q = 0; q < queries; ++q) {
      for (std::int64_t i = 0; i < n; ++i) {
        const std::int64_t line = per_query ? q : 0;
        // One word is empty, one is full, and the bits behind the last row are set.
        const bool open = (i * 7 + line * 3) % 5 < 2 ? i / 64 != 1 : i / 64 == 3;
        allowed[q][i] = open;
        if (open) {
          auto* word = words.mutable_data_ptr<std::int64_t>() + line * words.size(1) + i / 64;
          *word |= static_cast<std::int64_t>(std::uint64_t{1} << (i % 64));
        }
      }
      if (q % 3 != 0) {
        const std::int64_t best = (q * 37) % n;
        exclude[q] = best;
        allowed[q][best] = false;
      }
    }
    words.select(1, words.size(1) - 1).bitwise_or_(static_cast<std::int64_t>(~0ull << (n % 64)));
    SimilarityFilter filter{(per_query ? words : words[0]).contiguous().to(device()),
                            exclude.to(device())};
    expect_exact(similarity_topk(values, rows, {.k = 12}, filter), values, rows, 12, allowed);
  }
}

TEST_P(SimilarityTest, MoreThanThereIsGivesATailOfNothing) {
  const SimilarityIndex rows = index(normal_rows(5, 8, 13));
  const at::Tensor queries = normal_rows(2, 8, 14).to(device());
  const SimilarityResult result = similarity_topk(queries, rows, {.k = kLargestSimilarityK});
  expect_exact(result, queries, rows, kLargestSimilarityK);
}

TEST_P(SimilarityTest, EmptyIndexAndEmptyBatchAreAnswered) {
  const SimilarityIndex none = index(at::empty({0, 7}));
  const SimilarityResult nothing =
      similarity_topk(normal_rows(3, 7, 1).to(device()), none, {.k = 2});
  EXPECT_TRUE((nothing.ids == -1).all().item<bool>());
  EXPECT_TRUE((nothing.scores == -kInf).all().item<bool>());
  EXPECT_TRUE(nothing.certain.all().item<bool>());
  const SimilarityIndex rows = index(normal_rows(4, 7, 1));
  const SimilarityResult empty = similarity_topk(at::empty({0, 7}).to(device()), rows, {.k = 2});
  EXPECT_EQ(empty.scores.sizes(), (std::vector<std::int64_t>{0, 2}));
}

TEST_P(SimilarityTest, AQueryHasTheSameBitsAloneAndInAnyBatch) {
  const SimilarityIndex rows = index(normal_rows(520, 70, 15));
  const at::Tensor queries = normal_rows(40, 70, 16).to(device());
  const SimilarityResult all = similarity_topk(queries, rows);
  for (const auto& [begin, end] : {std::pair{0, 1}, {39, 40}, {3, 20}, {7, 24}}) {
    const SimilarityResult some = similarity_topk(queries.slice(0, begin, end), rows);
    EXPECT_TRUE(at::equal(some.ids, all.ids.slice(0, begin, end)));
    EXPECT_TRUE(at::equal(some.scores, all.scores.slice(0, begin, end)));
  }
}

TEST_P(SimilarityTest, HalfQueriesAreTheirFloatValues) {
  const SimilarityIndex rows = index(normal_rows(100, 24, 17));
  for (const at::ScalarType half : {at::kHalf, at::kBFloat16}) {
    const at::Tensor queries = normal_rows(5, 24, 18).to(device()).to(half);
    expect_exact(similarity_topk(queries, rows), queries, rows, 10);
  }
}

TEST_P(SimilarityTest, OnePassIsExactWhereItSaysSo) {
  // A narrow cluster: more rows lie within the error of the approximate scores than may be kept.
  const at::Tensor centre = normal_rows(1, 64, 19);
  const SimilarityIndex rows = index(centre + 1e-3 * normal_rows(2000, 64, 20));
  const at::Tensor queries = (centre + 0.5 * normal_rows(20, 64, 21)).to(device());
  const SimilarityOptions once{.k = 10, .exact = false, .overfetch = 2};
  const SimilarityResult result = similarity_topk(queries, rows, once);
  const SimilarityResult truth = similarity_topk(queries, rows, {.k = 10});
  expect_exact(truth, queries, rows, 10);
  for (std::int64_t q = 0; q < queries.size(0); ++q) {
    const float last = result.scores[q][9].item<float>();
    const float bound = result.bound[q].item<float>();
    if (result.certain[q].item<bool>()) {
      EXPECT_TRUE(at::equal(result.ids[q], truth.ids[q])) << "query " << q;
      EXPECT_EQ(bound, 0);
    } else {
      // No row that was left out exceeds the last score by more than the bound.
      EXPECT_LE(truth.scores[q][0].item<float>(),
                std::max(result.scores[q][0].item<float>(), last + bound));
    }
    EXPECT_GE(truth.scores[q][9].item<float>(), last);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Devices, SimilarityTest,
    ::testing::Combine(::testing::Values(at::kCPU, at::kCUDA),
                       ::testing::Values(at::kFloat, at::kHalf, at::kBFloat16, at::kChar),
                       ::testing::ValuesIn(kMetrics)),
    [](const auto& info) {
      return std::string(std::get<0>(info.param) == at::kCPU ? "Cpu" : "Cuda") +
             c10::toString(std::get<1>(info.param)) + metric_name(std::get<2>(info.param));
    });

}  // namespace
}  // namespace salus::kernels
