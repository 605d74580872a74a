#include "engine/evaluate/compare.h"

#include <gmock/gmock.h>

#include <random>

#include "engine/io/error.h"
#include "tests/engine/evaluate/golden.h"
#include "tests/engine/evaluate/predictions.h"

namespace salus::evaluate {
namespace {

using testing::binary_predictions;
using testing::error_of;
using ::testing::HasSubstr;

/// Two scores of one truth with equal quality; `skill` moves the second.
void draw_pair(std::mt19937_64& random, double skill, Side& a, Side& b, std::vector<double>& y) {
  std::normal_distribution<double> normal;
  for (int i = 0; i < 80; ++i) {
    y.push_back(i % 2);
    const double shared = normal(random);
    const auto score = [&](double s) {
      return 1 / (1 + std::exp(-(shared + normal(random) + s * y.back())));
    };
    a.probabilities.push_back(score(1));
    b.probabilities.push_back(score(1 + skill));
  }
}

TEST(CompareTest, PermutationPValuesAreUniformUnderTheNull) {
  const std::uint64_t seed = 5;
  std::mt19937_64 random(seed);
  int below_tenth = 0, below_half = 0;
  for (int s = 0; s < 200; ++s) {
    Side a, b;
    std::vector<double> y;
    draw_pair(random, 0, a, b, y);
    const double p =
        compare_permutation("auroc", a, b, y, {}, {199, static_cast<std::uint64_t>(s), 1}).p_value;
    below_tenth += p <= 0.1;
    below_half += p <= 0.5;
  }
  EXPECT_NEAR(below_tenth, 20, 13) << "seed " << seed;  // 3 binomial deviations
  EXPECT_NEAR(below_half, 100, 22) << "seed " << seed;
}

TEST(CompareTest, DelongSaysNothingWithoutVariance) {
  const std::vector<double> y = {0, 0, 1, 1}, perfect = {.1, .2, .8, .9},
                            reversed = {.9, .8, .2, .1};
  for (const auto& other : {std::vector<double>(4, 0.5), reversed}) {
    const Comparison c = compare_delong(perfect, other, y);
    EXPECT_TRUE(std::isnan(c.p_value));
    EXPECT_THAT(c.absent_because, HasSubstr("no variance"));
  }
  EXPECT_EQ(compare_delong(perfect, perfect, y).p_value, 1);
}

TEST(CompareTest, ARealDifferenceIsFoundByEveryTest) {
  std::mt19937_64 random(1);
  Side a, b;
  std::vector<double> y;
  for (int k = 0; k < 4; ++k) draw_pair(random, 2, a, b, y);
  EXPECT_LT(compare_delong(a.probabilities, b.probabilities, y).p_value, 0.001);
  for (const char* metric : {"auroc", "auprc", "brier", "accuracy"}) {
    const Comparison c = compare_permutation(metric, a, b, y, {}, {999, 1, 0});
    EXPECT_LE(c.p_value, 0.01) << metric;
    ASSERT_TRUE(c.interval);
    EXPECT_GT(c.interval->low * c.interval->high, 0) << metric;
    EXPECT_LE(c.interval->low, c.difference);
    EXPECT_GE(c.interval->high, c.difference);
  }
}

TEST(CompareTest, PermutationAndDelongAgree) {
  std::mt19937_64 random(3);
  Side a, b;
  std::vector<double> y;
  draw_pair(random, 0.6, a, b, y);
  EXPECT_NEAR(compare_delong(a.probabilities, b.probabilities, y).p_value,
              compare_permutation("auroc", a, b, y, {}, {4999, 1, 0}).p_value, 0.04);
}

TEST(CompareTest, AModelDoesNotDifferFromItself) {
  const Predictions p = binary_predictions();
  for (const Comparison& c : compare(p, p, {}, {}, {99, 0, 0})) {
    EXPECT_EQ(c.difference, 0);
    EXPECT_EQ(c.p_value, 1) << c.metric;
  }
}

TEST(CompareTest, ValuesAreTheMetricsOfEachModelAtItsOwnThreshold) {
  const Predictions p = binary_predictions();
  const auto scores = column(p.probabilities, 0), y = column(p.targets, 0);
  const Comparison c =
      compare_permutation("sensitivity", {scores, 0.5}, {scores, 0.2}, y, {}, {19, 0, 0});
  EXPECT_DOUBLE_EQ(c.first, confusion(scores, y, 0.5).sensitivity());
  EXPECT_DOUBLE_EQ(c.second, confusion(scores, y, 0.2).sensitivity());
  const Comparison area = compare_permutation("auroc", {scores}, {scores}, y, {}, {9, 0, 0});
  EXPECT_NEAR(area.first, auroc(scores, y), 1e-12);
}

TEST(CompareTest, LossesOfOnePatientFlipTogether) {
  // Three patients: with 2^3 sign flips the smallest p that can come out is 1/4.
  std::vector<double> a, b;
  std::vector<std::string> patients;
  for (int i = 0; i < 30; ++i) {
    a.push_back(0);
    b.push_back(1);
    patients.push_back(std::to_string(i % 3));
  }
  const Comparison grouped = compare_losses("mae", a, b, patients, {2000, 1, 0});
  EXPECT_NEAR(grouped.p_value, 0.25, 0.04);
  EXPECT_LT(compare_losses("mae", a, b, {}, {2000, 1, 0}).p_value, 0.001);
  EXPECT_EQ(grouped.difference, 1);
}

TEST(CompareTest, TextAndJsonTellTheTest) {
  Predictions a = binary_predictions(), b = a;
  for (auto& row : b.probabilities) row[0] = std::sqrt(row[0]);
  a.patients.clear();
  const auto all = compare(a, b, {}, {}, {99, 0, 0});
  EXPECT_EQ(all[0].test, "delong");
  EXPECT_EQ(nlohmann::json::parse(to_json(all)).size(), all.size());
  EXPECT_THAT(to_text(all), HasSubstr("delong"));
}

TEST(CompareTest, AnAbsentClassIsSaid) {
  const Comparison c =
      compare_permutation("auroc", {{0.1, 0.2}}, {{0.3, 0.4}}, {0, 0}, {}, {9, 0, 0});
  EXPECT_EQ(c.absent_because, "no case is positive");
  EXPECT_THAT(to_text({c}), HasSubstr("absent"));
}

TEST(CompareTest, RejectsOtherCasesAndUnknownMetrics) {
  const Predictions a = binary_predictions();
  Predictions b = a;
  b.targets[7][0] = 1 - b.targets[7][0];
  EXPECT_THAT(error_of([&] { compare(a, b, {}, {}, {}); }), HasSubstr("case 7 differ"));
  b = a;
  b.labels = {"nodule"};
  EXPECT_THAT(error_of([&] { compare(a, b, {}, {}, {}); }), HasSubstr("labels differ"));
  b = a;
  b.targets.pop_back();
  EXPECT_THAT(error_of([&] { compare(a, b, {}, {}, {}); }), HasSubstr("same cases"));
  Predictions named = a;
  for (std::size_t i = 0; i < a.targets.size(); ++i) named.ids.push_back(std::to_string(i));
  b = named;
  b.ids[5] = "other";
  EXPECT_THAT(error_of([&] { compare(named, b, {}, {}, {}); }),
              HasSubstr("different cases, from number 5 on"));
  EXPECT_THROW(compare_delong({1, 2}, {1}, {0, 1}), Error);
  EXPECT_THAT(error_of([] { compare_permutation("gini", {{0.1}}, {{0.2}}, {1}, {}, {}); }),
              HasSubstr("\"gini\" is not a metric"));
}

}  // namespace
}  // namespace salus::evaluate
