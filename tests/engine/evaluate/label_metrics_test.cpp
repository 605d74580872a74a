#include "engine/evaluate/label_metrics.h"

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
using testing::to_rows;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(LabelMetricsTest, MulticlassEqualsScikitLearn) {
  const auto g = load_golden("multiclass");
  const MulticlassEvaluator evaluator(to_rows(g["probabilities"]), to_rows(g["targets"]));
  const MulticlassMetrics m = evaluator();
  for (const auto& field : multiclass_metric_fields()) {
    EXPECT_TRUE(same_metric(to_number(g["expected"].at(field.name)), m.*field.value, 1e-12))
        << field.name;
  }
  EXPECT_EQ(evaluator.confusion(), to_rows(g["confusion"]));
}

TEST(LabelMetricsTest, MultilabelEqualsScikitLearnWithMaskedTargets) {
  const auto g = load_golden("multilabel");
  const MultilabelEvaluator evaluator(to_rows(g["probabilities"]), to_rows(g["targets"]),
                                      to_numbers(g["thresholds"]));
  const MultilabelMetrics m = evaluator();
  for (const auto& field : multilabel_metric_fields()) {
    EXPECT_TRUE(same_metric(to_number(g["expected"].at(field.name)), m.*field.value, 1e-12))
        << field.name;
  }
}

TEST(LabelMetricsTest, RegressionEqualsScikitLearn) {
  const auto g = load_golden("regression");
  std::vector<double> predictions = to_numbers(g["predictions"]);
  std::vector<double> targets = to_numbers(g["targets"]);
  predictions.push_back(1e9);
  targets.push_back(kNan);  // left out
  const RegressionMetrics m = regression_metrics(predictions, targets);
  for (const auto& field : regression_metric_fields()) {
    EXPECT_TRUE(same_metric(to_number(g["expected"].at(field.name)), m.*field.value, 1e-12))
        << field.name;
  }
}

TEST(LabelMetricsTest, WeightsRepeatRows) {
  const Matrix p = {{0.7, 0.2, 0.1}, {0.1, 0.6, 0.3}, {0.3, 0.3, 0.4}, {0.5, 0.4, 0.1}};
  const Matrix y = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {0, 1, 0}};
  const std::vector<double> weights = {1, 2, 3, 1};
  Matrix rp, ry;
  for (std::size_t i = 0; i < p.size(); ++i) {
    for (int k = 0; k < weights[i]; ++k) {
      rp.push_back(p[i]);
      ry.push_back(y[i]);
    }
  }
  const MulticlassMetrics a = MulticlassEvaluator(p, y)(weights), b = MulticlassEvaluator(rp, ry)();
  for (const auto& field : multiclass_metric_fields()) {
    EXPECT_TRUE(same_metric(b.*field.value, a.*field.value, 1e-12)) << field.name;
  }
  const MultilabelMetrics c = MultilabelEvaluator(p, y, {0.5, 0.5, 0.5})(weights);
  const MultilabelMetrics d = MultilabelEvaluator(rp, ry, {0.5, 0.5, 0.5})();
  for (const auto& field : multilabel_metric_fields()) {
    EXPECT_TRUE(same_metric(d.*field.value, c.*field.value, 1e-12)) << field.name;
  }
}

TEST(LabelMetricsTest, AMissingClassLeavesMacroAreasAbsent) {
  const MulticlassMetrics m =
      MulticlassEvaluator({{0.8, 0.1, 0.1}, {0.1, 0.8, 0.1}}, {{1, 0, 0}, {0, 1, 0}})();
  EXPECT_TRUE(std::isnan(m.auroc_macro));
  EXPECT_TRUE(std::isnan(m.balanced_accuracy));
  EXPECT_EQ(m.accuracy, 1);
  EXPECT_EQ(m.auroc_micro, 1);
}

TEST(LabelMetricsTest, ARowWithNanIsLeftOutWhole) {
  const MulticlassEvaluator evaluator({{0.8, 0.2}, {0.3, 0.7}, {0.9, 0.1}},
                                      {{1, 0}, {0, 1}, {kNan, kNan}});
  EXPECT_EQ(evaluator.classes(), (std::vector<int>{0, 1, -1}));
  EXPECT_EQ(evaluator().auroc_macro, 1);
}

TEST(LabelMetricsTest, ConstantTargetsHaveNoR2AndNoCasesHaveNothing) {
  EXPECT_TRUE(std::isnan(regression_metrics({1, 2}, {3, 3}).r2));
  EXPECT_EQ(regression_metrics({1, 2}, {3, 3}).mae, 1.5);
  EXPECT_TRUE(std::isnan(regression_metrics({1}, {kNan}).mae));
}

TEST(LabelMetricsTest, RejectsMalformedInput) {
  EXPECT_THAT(error_of([] { MulticlassEvaluator({{0.5, 0.5}}, {{1, 1}}); }), HasSubstr("one-hot"));
  EXPECT_THAT(error_of([] { MulticlassEvaluator({{0.5, 0.5}}, {{0, 0.5}}); }),
              HasSubstr("one-hot"));
  EXPECT_THROW(MulticlassEvaluator({{0.5, 0.5}}, {}), Error);
  EXPECT_THROW(MulticlassEvaluator({{0.5, 0.5}, {1}}, {{0, 1}, {1, 0}}), Error);
  EXPECT_THROW(MulticlassEvaluator({{1.5, 0.5}}, {{0, 1}}), Error);
  EXPECT_THROW(regression_metrics({1}, {1, 2}), Error);
  EXPECT_THAT(error_of([] { regression_metrics({kNan}, {1}); }), HasSubstr("case 0 is nan"));
}

}  // namespace
}  // namespace salus::evaluate
