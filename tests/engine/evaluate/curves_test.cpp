#include "engine/evaluate/curves.h"

#include <gtest/gtest.h>

#include "tests/engine/evaluate/golden.h"

namespace salus::evaluate {
namespace {

using testing::load_golden;
using testing::to_number;
using testing::to_numbers;

TEST(CurvesTest, TheAreaUnderTheRocCurveIsTheAuroc) {
  for (const auto& g : load_golden("binary")) {
    const auto curve =
        roc_curve(sort_cases(to_numbers(g["probabilities"]), to_numbers(g["targets"])));
    if (g["expected"]["auroc"].is_null()) {
      EXPECT_TRUE(curve.empty());
      continue;
    }
    double area = 0;
    for (std::size_t i = 1; i < curve.size(); ++i) {
      area += (curve[i].fpr - curve[i - 1].fpr) * (curve[i].tpr + curve[i - 1].tpr) / 2;
    }
    EXPECT_NEAR(area, to_number(g["expected"]["auroc"]), 1e-12) << g["name"];
    EXPECT_EQ(curve.front().fpr + curve.front().tpr, 0);
    EXPECT_EQ(curve.back().fpr + curve.back().tpr, 2);
  }
}

TEST(CurvesTest, TheStepsUnderThePrCurveAreTheAveragePrecision) {
  for (const auto& g : load_golden("binary")) {
    if (g["expected"]["auprc"].is_null()) continue;
    const auto curve =
        pr_curve(sort_cases(to_numbers(g["probabilities"]), to_numbers(g["targets"])));
    double area = 0;
    for (std::size_t i = 1; i < curve.size(); ++i) {
      area += (curve[i].recall - curve[i - 1].recall) * curve[i].precision;
    }
    EXPECT_NEAR(area, to_number(g["expected"]["auprc"]), 1e-12) << g["name"];
  }
}

TEST(CurvesTest, EveryRocPointIsTheDecisionAtItsThreshold) {
  const auto g = load_golden("binary")[1];
  const BinaryCases cases = sort_cases(to_numbers(g["probabilities"]), to_numbers(g["targets"]));
  for (const RocPoint& point : roc_curve(cases)) {
    const Confusion c = confusion(cases, point.threshold);
    EXPECT_NEAR(c.sensitivity(), point.tpr, 1e-12);
    EXPECT_NEAR(1 - c.specificity(), point.fpr, 1e-12);
  }
}

TEST(CurvesTest, ReliabilityBinsHoldEveryCaseOnce) {
  const BinaryCases cases = sort_cases({0, 0.05, 0.1, 0.95, 1}, {0, 1, 0, 1, 1});
  const auto bins = reliability(cases, 10);
  EXPECT_EQ(bins[0].n, 2u);
  EXPECT_DOUBLE_EQ(bins[0].observed, 0.5);
  EXPECT_DOUBLE_EQ(bins[0].predicted, 0.025);
  EXPECT_EQ(bins[1].n, 1u);
  EXPECT_EQ(bins[9].n, 2u);
  EXPECT_TRUE(std::isnan(bins[5].observed));
  EXPECT_LT(bins[9].low95, 1);
}

TEST(CurvesTest, HistogramsCountByClass) {
  const auto h = score_histogram(sort_cases({0, 0.3, 0.3, 1}, {0, 1, 0, 1}), 4);
  EXPECT_EQ(h.negatives, (std::vector<std::size_t>{1, 1, 0, 0}));
  EXPECT_EQ(h.positives, (std::vector<std::size_t>{0, 1, 0, 1}));
}

TEST(CurvesTest, TheBandRisesAndHoldsTheCurve) {
  const auto g = load_golden("binary")[0];
  const BinaryCases cases = sort_cases(to_numbers(g["probabilities"]), to_numbers(g["targets"]));
  const auto y = to_numbers(g["targets"]);
  const PatientBootstrap patients(patient_numbers({}, y.size()),
                                  std::vector<int>(y.begin(), y.end()));
  const RocBand band = roc_band(cases, patients, {500, 1, 0});
  ASSERT_EQ(band.fpr.size(), 101u);
  EXPECT_EQ(band.high.back(), 1);
  const auto curve = roc_curve(cases);
  for (std::size_t k = 0; k < band.fpr.size(); ++k) {
    EXPECT_LE(band.low[k], band.high[k]);
    if (k > 0) {
      EXPECT_GE(band.low[k] + 1e-12, band.low[k - 1]);
    }
    double tpr = 0;  // upper end of the curve at this rate
    for (const RocPoint& p : curve) {
      if (p.fpr <= band.fpr[k]) tpr = std::max(tpr, p.tpr);
    }
    EXPECT_LE(band.low[k], tpr + 0.05);
    EXPECT_GE(band.high[k], tpr - 0.05);
  }
}

TEST(CurvesTest, WithoutBothClassesThereIsNoCurve) {
  const BinaryCases one = sort_cases({0.1, 0.2}, {0, 0});
  EXPECT_TRUE(roc_curve(one).empty());
  EXPECT_TRUE(pr_curve(one).empty());
  const PatientBootstrap patients(patient_numbers({}, 2), {0, 0});
  EXPECT_TRUE(roc_band(one, patients, {}).fpr.empty());
}

}  // namespace
}  // namespace salus::evaluate
