#include "engine/evaluate/evaluation.h"

#include <gmock/gmock.h>

#include "engine/io/error.h"
#include "tests/engine/evaluate/golden.h"
#include "tests/engine/evaluate/predictions.h"

namespace salus::evaluate {
namespace {

using testing::as_column;
using testing::binary_predictions;
using ::testing::Contains;
using testing::error_of;
using ::testing::HasSubstr;
using testing::load_golden;
using ::testing::Not;
using testing::quick;
using testing::to_numbers;
using testing::to_rows;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(EvaluationTest, BinaryFiguresEqualTheMetricsAndLieInTheirIntervals) {
  const Predictions p = binary_predictions();
  const Evaluation e = evaluate(p, quick());
  const BinaryMetrics m = binary_metrics(column(p.probabilities, 0), column(p.targets, 0));
  ASSERT_EQ(e.overall.size(), binary_metric_fields().size());
  for (const auto& field : binary_metric_fields()) {
    const Estimate* estimate = find(e.overall, field.name);
    ASSERT_NE(estimate, nullptr);
    EXPECT_DOUBLE_EQ(estimate->value, m.*field.value);
    ASSERT_TRUE(estimate->interval) << field.name;
    EXPECT_LT(estimate->interval->low, estimate->interval->high);
    EXPECT_GT(estimate->interval->high + 0.05, estimate->value) << field.name;
    EXPECT_LT(estimate->interval->low - 0.05, estimate->value) << field.name;
  }
  EXPECT_EQ(e.n, 300u);
  EXPECT_EQ(e.patients, 150u);
}

TEST(EvaluationTest, SubgroupsAreEvaluatedAloneAndTheRestIsNamed) {
  const Predictions p = binary_predictions();
  const Evaluation e = evaluate(p, quick());
  ASSERT_EQ(e.subgroups.size(), 2u);
  std::vector<double> scores, targets;
  for (std::size_t i = 0; i < p.targets.size(); ++i) {
    if (p.subgroups.at("view")[i] != "AP") continue;
    scores.push_back(p.probabilities[i][0]);
    targets.push_back(p.targets[i][0]);
  }
  EXPECT_EQ(e.subgroups[0].value, "AP");
  EXPECT_EQ(e.subgroups[0].n, scores.size());
  EXPECT_DOUBLE_EQ(find(e.subgroups[0].metrics, "auroc")->value, auroc(scores, targets));
  EXPECT_THAT(e.notes, Contains(HasSubstr("cases without a value are not shown")).Times(1));
}

TEST(EvaluationTest, OperatingPointsDecideAndTheFirstIsTheDefault) {
  EvaluationOptions options = quick(0);
  options.operating_points = {{"youden", "pneumonia", 0.3},
                              {"sensitivity>=0.95", "pneumonia", 0.1}};
  const Predictions p = binary_predictions();
  const Evaluation e = evaluate(p, options);
  const LabelResult& label = e.labels[0];
  ASSERT_EQ(label.operating_points.size(), 2u);
  const Confusion at = confusion(column(p.probabilities, 0), column(p.targets, 0), 0.3);
  EXPECT_EQ(label.confusion.tp, at.tp);
  EXPECT_DOUBLE_EQ(find(e.overall, "sensitivity")->value, at.sensitivity());
  EXPECT_GT(find(label.operating_points[1].metrics, "sensitivity")->value, at.sensitivity());
}

TEST(EvaluationTest, IntervalsNeverClaimCertainty) {
  Predictions p;
  p.labels = {"bleed"};
  p.probabilities = as_column({0.1, 0.2, 0.3, 0.8, 0.9, 0.7});
  p.targets = as_column({0, 0, 0, 1, 1, 1});
  const Evaluation e = evaluate(p, quick());
  EXPECT_EQ(find(e.overall, "auroc")->interval->method, "newcombe");
  EXPECT_LT(find(e.overall, "auroc")->interval->low, 0.9);
  EXPECT_EQ(find(e.overall, "sensitivity")->interval->method, "wilson");
  EXPECT_LT(find(e.overall, "sensitivity")->interval->low, 0.6);
  EXPECT_FALSE(find(e.overall, "balanced_accuracy")->interval);
  EXPECT_THAT(find(e.overall, "calibration_slope")->absent_because, HasSubstr("separated"));
}

TEST(EvaluationTest, ClusteredCasesAreNotCountedAsIndependent) {
  Predictions single = binary_predictions();
  for (std::size_t i = 0; i < single.patients.size(); ++i) single.patients[i] = std::to_string(i);
  Predictions tripled = single;
  for (int k = 0; k < 2; ++k) {
    for (std::size_t i = 0; i < single.targets.size(); ++i) {
      tripled.probabilities.push_back(single.probabilities[i]);
      tripled.targets.push_back(single.targets[i]);
      tripled.patients.push_back(single.patients[i]);
    }
  }
  tripled.ids.clear();
  tripled.subgroups.clear();
  const auto width = [](const Evaluation& e, const char* name) {
    return find(e.overall, name)->interval->high - find(e.overall, name)->interval->low;
  };
  const Evaluation a = evaluate(single, quick(600)), b = evaluate(tripled, quick(600));
  for (const char* name : {"auroc", "sensitivity", "specificity"}) {
    EXPECT_NEAR(width(a, name), width(b, name), 0.25 * width(a, name)) << name;
  }
}

TEST(EvaluationTest, DelongAndNoReplicatesGiveAnalyticIntervals) {
  Predictions p = binary_predictions();
  p.patients.clear();
  EvaluationOptions options = quick(50);
  options.delong = true;
  EXPECT_EQ(find(evaluate(p, options).overall, "auroc")->interval->method, "delong");
  options = quick(0);
  const Evaluation e = evaluate(p, options);
  EXPECT_EQ(find(e.overall, "auroc")->interval->method, "delong");
  EXPECT_EQ(find(e.overall, "sensitivity")->interval->method, "wilson");
  EXPECT_FALSE(find(e.overall, "brier")->interval);
}

TEST(EvaluationTest, AnEceBesideItsIntervalIsExplained) {
  Predictions p;  // of each ten levels as many are positive as it says: no error but for rounding
  p.labels = {"bleed"};
  for (int i = 0; i < 200; ++i) {
    const int level = i / 20;
    p.probabilities.push_back({0.05 + 0.1 * level});
    p.targets.push_back({i % 20 < 2 * level + 1 ? 1.0 : 0.0});
  }
  const auto explained =
      Contains(HasSubstr("calibration error (ECE) lies above its value")).Times(1);
  const Evaluation shifted = evaluate(p, quick());
  const Estimate* ece = find(shifted.overall, "ece");
  EXPECT_NEAR(ece->value, 0, 1e-9);
  EXPECT_GT(ece->interval->low, ece->value);
  EXPECT_THAT(shifted.notes, explained);
  EXPECT_THAT(evaluate(p, quick(0)).notes, Not(explained)) << "without an interval";
  for (auto& row : p.targets) row[0] = 1 - row[0];  // as wrong as can be
  EXPECT_THAT(evaluate(p, quick()).notes, Not(explained));
}

TEST(EvaluationTest, MaskedCasesAreLeftOutAndCounted) {
  const Evaluation e = evaluate(binary_predictions(3), quick(0));
  EXPECT_EQ(e.labels[0].masked, load_golden("binary")[3]["masked"].get<std::size_t>());
  EXPECT_EQ(e.labels[0].n + e.labels[0].masked, e.n);
  EXPECT_THAT(e.notes[0], HasSubstr("is not known are left out"));
}

TEST(EvaluationTest, OneClassGivesReasonsInsteadOfNumbers) {
  const Evaluation e = evaluate(binary_predictions(8), quick(20));
  EXPECT_TRUE(std::isnan(find(e.overall, "auroc")->value));
  EXPECT_EQ(find(e.overall, "auroc")->absent_because, "no case is positive");
  EXPECT_THAT(to_text(e), HasSubstr("absent: no case is positive"));
}

TEST(EvaluationTest, MulticlassDecidesByTheMostProbableClass) {
  const auto g = load_golden("multiclass");
  Predictions p;
  p.task = TaskKind::kMulticlass;
  p.labels = {"a", "b", "c", "d"};
  p.probabilities = to_rows(g["probabilities"]);
  p.targets = to_rows(g["targets"]);
  const Evaluation e = evaluate(p, quick(100));
  EXPECT_NEAR(find(e.overall, "auroc_macro")->value, g["expected"]["auroc_macro"], 1e-12);
  EXPECT_TRUE(find(e.overall, "auroc_macro")->interval);
  for (std::size_t l = 0; l < 4; ++l) {
    EXPECT_EQ(e.labels[l].confusion.tp, e.confusion[l][l]);
  }
}

TEST(EvaluationTest, UnknownTargetsAreInNoSubgroup) {
  Predictions p;
  p.task = TaskKind::kMulticlass;
  p.labels = {"a", "b"};
  for (int i = 0; i < 40; ++i) {
    const double b = i % 2;
    p.probabilities.push_back({1 - b, b});
    p.targets.push_back(i < 8 ? std::vector<double>{kNan, kNan} : std::vector<double>{1 - b, b});
    p.subgroups["site"].push_back(i < 20 ? "A" : "B");
  }
  const Evaluation e = evaluate(p, quick(50));
  ASSERT_EQ(e.subgroups.size(), 2u);
  EXPECT_EQ(e.subgroups[0].n, 12u);
  EXPECT_EQ(e.subgroups[1].n, 20u);
  EXPECT_THAT(to_text(e), HasSubstr("one-vs-rest"));
}

TEST(EvaluationTest, MultilabelAndRegressionGiveEachLabelAndTheWhole) {
  const auto g = load_golden("multilabel");
  Predictions p;
  p.task = TaskKind::kMultilabel;
  p.labels = {"a", "b", "c"};
  p.probabilities = to_rows(g["probabilities"]);
  p.targets = to_rows(g["targets"]);
  const Evaluation e = evaluate(p, quick(100));
  EXPECT_EQ(e.labels.size(), 3u);
  EXPECT_NEAR(find(e.overall, "auroc_macro")->value, g["expected"]["auroc_macro"], 1e-12);
  const auto r = load_golden("regression");
  Predictions q;
  q.task = TaskKind::kRegression;
  q.labels = {"age"};
  q.probabilities = as_column(to_numbers(r["predictions"]));
  q.targets = as_column(to_numbers(r["targets"]));
  const Evaluation f = evaluate(q, quick(100));
  EXPECT_NEAR(find(f.overall, "mae")->value, r["expected"]["mae"], 1e-12);
  EXPECT_TRUE(find(f.labels[0].metrics, "r2")->interval);
  EXPECT_EQ(f.labels[0].scatter.size(), q.targets.size());
}

TEST(EvaluationTest, JsonHoldsEveryMetricAndNoPatientOrCase) {
  const std::string text = to_json(evaluate(binary_predictions(), quick(50)));
  const auto json = nlohmann::json::parse(text);
  for (const auto& field : binary_metric_fields()) {
    EXPECT_TRUE(json["overall"].contains(field.name)) << field.name;
  }
  EXPECT_EQ(json["overall"]["auroc"]["method"], "bootstrap");
  EXPECT_EQ(json["subgroups"][0]["column"], "view");
  EXPECT_LE(json["labels"][0]["pr"].size(), 202u);
  EXPECT_THAT(text, Not(HasSubstr("SECRET")));
  EXPECT_THAT(text, Not(HasSubstr("file1")));
}

TEST(EvaluationTest, TextShowsFiguresOperatingPointsAndSubgroupsWithoutPatients) {
  const std::string text = to_text(evaluate(binary_predictions(), quick(50)));
  EXPECT_THAT(text, HasSubstr("auroc"));
  EXPECT_THAT(text, HasSubstr("threshold=0.5"));
  EXPECT_THAT(text, HasSubstr("view = AP"));
  EXPECT_THAT(text, Not(HasSubstr("SECRET")));
}

TEST(EvaluationTest, SameSeedSameJson) {
  const Predictions p = binary_predictions();
  EvaluationOptions one = quick(100), two = quick(100);
  one.resampling.threads = 1;
  two.resampling.threads = 3;
  EXPECT_EQ(to_json(evaluate(p, one)), to_json(evaluate(p, two)));
}

TEST(EvaluationTest, WorstCasesHaveTheLargestLoss) {
  const Predictions p = binary_predictions();
  const auto worst = worst_cases(p, 0, 5);
  ASSERT_EQ(worst.size(), 5u);
  EXPECT_EQ(worst[0].id, p.ids[worst[0].index]);
  for (std::size_t i = 1; i < 5; ++i) EXPECT_GE(worst[i - 1].loss, worst[i].loss);
  for (std::size_t i = 0; i < p.targets.size(); ++i) {
    EXPECT_LE(std::abs(p.probabilities[i][0] - p.targets[i][0]),
              std::abs(worst[0].score - worst[0].target));
  }
  EXPECT_THROW(worst_cases(p, 1, 5), Error);
}

TEST(EvaluationTest, RejectsMalformedPredictions) {
  EXPECT_THROW(evaluate({}), Error);
  Predictions p = binary_predictions();
  p.probabilities[4] = {0.1, 0.2};
  EXPECT_THAT(error_of([&] { evaluate(p); }), HasSubstr("Case 4 has 2 predictions"));
  p = binary_predictions();
  p.labels = {"a", "b"};
  EXPECT_THROW(evaluate(p), Error);
  p = binary_predictions();
  p.ids.pop_back();
  EXPECT_THAT(error_of([&] { evaluate(p); }), HasSubstr("299 ids for 300 cases"));
  p = binary_predictions();
  p.patients.pop_back();
  EXPECT_THROW(evaluate(p), Error);
  p = binary_predictions();
  p.subgroups["view"].pop_back();
  EXPECT_THAT(error_of([&] { evaluate(p); }), HasSubstr("\"view\" has 299 values"));
  EvaluationOptions options = quick();
  options.operating_points = {{"youden", "nodule", 0.5}};
  EXPECT_THAT(error_of([&] { evaluate(binary_predictions(), options); }), HasSubstr("\"nodule\""));
}

}  // namespace
}  // namespace salus::evaluate
