#include "engine/evaluate/metrics.h"

#include <gmock/gmock.h>

#include "engine/io/error.h"
#include "tests/engine/evaluate/golden.h"

namespace salus::evaluate {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::load_golden;
using testing::same_metric;
using testing::to_number;
using testing::to_numbers;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(MetricsTest, EveryMetricEqualsScikitLearnAndStatsmodels) {
  const auto golden = load_golden("binary");
  ASSERT_GE(golden.size(), 17u);
  for (const auto& g : golden) {
    SCOPED_TRACE(g["name"].get<std::string>());
    const BinaryMetrics m = binary_metrics(to_numbers(g["probabilities"]), to_numbers(g["targets"]),
                                           g["threshold"].get<double>());
    for (const auto& field : binary_metric_fields()) {
      const bool fitted = std::string(field.name).rfind("calibration", 0) == 0;
      EXPECT_TRUE(same_metric(to_number(g["expected"].at(field.name)), m.*field.value,
                              fitted ? 1e-6 : 1e-12))
          << field.name;
    }
  }
}

TEST(MetricsTest, CountsMaskedPositiveAndNegativeCases) {
  for (const auto& g : load_golden("binary")) {
    const BinaryCases cases = sort_cases(to_numbers(g["probabilities"]), to_numbers(g["targets"]));
    EXPECT_EQ(cases.masked, g["masked"].get<std::size_t>());
    EXPECT_EQ(cases.positives, g["positives"].get<std::size_t>());
    EXPECT_EQ(cases.negatives(), g["negatives"].get<std::size_t>());
  }
}

TEST(MetricsTest, RankingMetricsTakeScoresOnAnyScale) {
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(auroc({-inf, -3, 7, inf}, {0, 0, 1, 1}), 1);
  EXPECT_EQ(auroc({-inf, -3, 7, inf}, {1, 0, 1, 0}), 0.25);
  EXPECT_EQ(auroc({5, 5, 5}, {0, 1, 1}), 0.5);
  EXPECT_DOUBLE_EQ(auprc({30, 20, 10}, {1, 0, 1}), 0.5 * 1 + 0.5 * 2 / 3);
}

TEST(MetricsTest, AScoreAtTheThresholdIsPositive) {
  const Confusion c = confusion({0.2, 0.5, 0.5, 0.9}, {0, 1, 0, 1}, 0.5);
  EXPECT_EQ(c.tp, 2);
  EXPECT_EQ(c.fp, 1);
  EXPECT_EQ(c.tn, 1);
  EXPECT_EQ(c.fn, 0);
}

TEST(MetricsTest, WeightsCountCasesAsOftenAsRepeatingThem) {
  const std::vector<double> p = {0.1, 0.4, 0.4, 0.6, 0.8, 0.3, 0.7};
  const std::vector<double> y = {0, 0, 1, 1, 1, kNan, 0};
  const std::vector<double> weights = {2, 0, 3, 1, 2, 5, 1};
  std::vector<double> repeated_p, repeated_y;
  for (std::size_t i = 0; i < p.size(); ++i) {
    for (int k = 0; k < weights[i]; ++k) {
      repeated_p.push_back(p[i]);
      repeated_y.push_back(y[i]);
    }
  }
  const BinaryMetrics weighted = BinaryEvaluator(sort_cases(p, y), 0.5)(weights);
  const BinaryMetrics repeated = binary_metrics(repeated_p, repeated_y, 0.5);
  for (const auto& field : binary_metric_fields()) {
    EXPECT_TRUE(same_metric(repeated.*field.value, weighted.*field.value, 1e-7)) << field.name;
  }
}

TEST(MetricsTest, ComputesOnlyTheGroupsAskedFor) {
  const BinaryEvaluator ranking(sort_cases({0.1, 0.6, 0.4}, {0, 1, 1}), 0.5, kRanking);
  EXPECT_EQ(ranking().auroc, 1);
  EXPECT_TRUE(std::isnan(ranking().accuracy));
  EXPECT_TRUE(std::isnan(ranking().brier));
  EXPECT_TRUE(std::isnan(ranking().calibration_slope));
}

TEST(MetricsTest, SaysWhyAMetricIsAbsent) {
  EXPECT_EQ(absent_reason("auroc", 0, 5), "no case is positive");
  EXPECT_EQ(absent_reason("auroc", 5, 0), "no case is negative");
  EXPECT_EQ(absent_reason("specificity", 5, 0), "no case is negative");
  EXPECT_EQ(absent_reason("sensitivity", 0, 5), "no case is positive");
  EXPECT_EQ(absent_reason("ppv", 3, 5), "no case is called positive at this threshold");
  EXPECT_EQ(absent_reason("npv", 3, 5), "no case is called negative at this threshold");
  EXPECT_EQ(absent_reason("brier", 0, 0), "no case has a known target");
  EXPECT_THAT(absent_reason("calibration_slope", 3, 5), HasSubstr("no finite fit"));
}

TEST(MetricsTest, RejectsATargetThatIsNotYesOrNo) {
  EXPECT_THROW(auroc({0.1, 0.2}, {0, 2}), Error);
  EXPECT_THAT(error_of([] { auroc({0.1, 0.2}, {0, 0.5}); }), HasSubstr("case 1 is 0.5"));
}

TEST(MetricsTest, RejectsANanScoreUnlessItsTargetIsMasked) {
  EXPECT_THAT(error_of([] { auroc({0.1, kNan}, {0, 1}); }), HasSubstr("score of case 1 is NaN"));
  EXPECT_EQ(auroc({0.1, kNan, 0.2}, {0, kNan, 1}), 1);
}

TEST(MetricsTest, RejectsUnequalLengths) {
  EXPECT_THAT(error_of([] { auroc({0.1}, {0, 1}); }), HasSubstr("1 scores but 2 targets"));
}

TEST(MetricsTest, RejectsProbabilitiesOutsideTheUnitInterval) {
  EXPECT_THAT(error_of([] { binary_metrics({0.1, 1.5}, {0, 1}); }), HasSubstr("case 1 is 1.5"));
  EXPECT_THAT(error_of([] { binary_metrics({-0.1, 0.5}, {0, 1}); }), HasSubstr("case 0 is -0.1"));
  EXPECT_NO_THROW(binary_metrics({0.0, 1.0}, {0, 1}));
}

}  // namespace
}  // namespace salus::evaluate
