#include "engine/evaluate/operating_point.h"

#include <gmock/gmock.h>

#include "engine/io/error.h"
#include "tests/engine/evaluate/golden.h"

namespace salus::evaluate {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::load_golden;
using testing::to_numbers;

const std::vector<double> kScores = {0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9};
const std::vector<double> kTargets = {0, 0, 1, 0, 0, 1, 1, 1};

double choose(const std::string& rule, const std::vector<double>& p = kScores,
              const std::vector<double>& y = kTargets) {
  return choose_threshold(parse_operating_rule(rule), p, y).threshold;
}

TEST(OperatingPointTest, ChoosesMidwayBetweenNeighbouringScores) {
  EXPECT_DOUBLE_EQ(choose("youden"), 0.65);
  EXPECT_DOUBLE_EQ(choose("balanced"), 0.65);
  EXPECT_DOUBLE_EQ(choose("accuracy"), 0.65);
  EXPECT_DOUBLE_EQ(choose("f1"), 0.65);
  EXPECT_DOUBLE_EQ(choose("sensitivity>=0.95"), 0.25);
  EXPECT_DOUBLE_EQ(choose("sensitivity>=0.75"), 0.65);
  EXPECT_DOUBLE_EQ(choose("specificity>=0.75"), 0.5);
  EXPECT_DOUBLE_EQ(choose("specificity>=1"), 0.65);
  EXPECT_DOUBLE_EQ(choose("ppv>=0.95"), 0.65);
  EXPECT_DOUBLE_EQ(choose("npv>=1"), 0.25);
  EXPECT_DOUBLE_EQ(choose("event1"), 0.5);  // as good as 0.65, in a wider gap
}

TEST(OperatingPointTest, EventOneIsNowhereLargerThanAtItsThreshold) {
  for (const auto& g : load_golden("binary")) {
    if (g["positives"] == 0 || g["negatives"] == 0) continue;
    SCOPED_TRACE(g["name"].get<std::string>());
    const auto p = to_numbers(g["probabilities"]), y = to_numbers(g["targets"]);
    const Confusion best = choose_threshold({OperatingRule::Kind::kEvent1}, p, y).confusion;
    EXPECT_EQ(best.event1(), std::min(best.sensitivity(), best.ppv()));
    for (double t = 0; t <= 1; t += 0.001) {
      const double other = confusion(p, y, t).event1();
      if (std::isnan(other)) continue;
      EXPECT_LE(other, best.event1() + 1e-12);
    }
  }
}

TEST(OperatingPointTest, SeparatedClassesAreCutInTheWidestGap) {
  EXPECT_DOUBLE_EQ(choose("youden", {0.1, 0.2, 0.8, 0.9}, {0, 0, 1, 1}), 0.5);
}

TEST(OperatingPointTest, EquallyGoodCutsGoToTheWiderGapThenTheLowerThreshold) {
  EXPECT_DOUBLE_EQ(choose("youden", {0.2, 0.3, 0.7, 0.9}, {0, 1, 0, 1}), 0.8);
  EXPECT_DOUBLE_EQ(choose("youden", {0.25, 0.5, 0.625, 0.875}, {0, 1, 0, 1}), 0.375);
}

TEST(OperatingPointTest, TiedScoresAreNeverSplit) {
  const ChosenThreshold t =
      choose_threshold(parse_operating_rule("accuracy"), {0.5, 0.5, 0.5, 0.9}, {0, 0, 1, 1});
  EXPECT_DOUBLE_EQ(t.threshold, 0.7);
  EXPECT_EQ(t.confusion.tp, 1);
  EXPECT_EQ(t.confusion.fn, 1);
}

TEST(OperatingPointTest, TheThresholdGivesTheConfusionItReports) {
  for (const auto& g : load_golden("binary")) {
    if (g["positives"] == 0 || g["negatives"] == 0) continue;
    const auto p = to_numbers(g["probabilities"]), y = to_numbers(g["targets"]);
    for (const char* rule : {"youden", "f1", "accuracy", "sensitivity>=0.9", "specificity>=0.9"}) {
      SCOPED_TRACE(g["name"].get<std::string>() + " " + rule);
      const ChosenThreshold t = choose_threshold(parse_operating_rule(rule), p, y);
      const Confusion c = confusion(p, y, t.threshold);
      EXPECT_EQ(c.tp, t.confusion.tp);
      EXPECT_EQ(c.fp, t.confusion.fp);
      EXPECT_EQ(c.tn, t.confusion.tn);
      EXPECT_EQ(c.fn, t.confusion.fn);
    }
  }
}

TEST(OperatingPointTest, NoOtherThresholdIsBetter) {
  for (const auto& g : load_golden("binary")) {
    if (g["positives"] == 0 || g["negatives"] == 0) continue;
    SCOPED_TRACE(g["name"].get<std::string>());
    const auto p = to_numbers(g["probabilities"]), y = to_numbers(g["targets"]);
    const Confusion youden = choose_threshold({OperatingRule::Kind::kYouden}, p, y).confusion;
    const Confusion sensitive =
        choose_threshold({OperatingRule::Kind::kSensitivity, 0.8}, p, y).confusion;
    EXPECT_GE(sensitive.sensitivity(), 0.8 - 1e-12);
    for (double t = 0; t <= 1; t += 0.001) {
      const Confusion c = confusion(p, y, t);
      EXPECT_LE(c.balanced_accuracy(), youden.balanced_accuracy() + 1e-12);
      if (c.sensitivity() < 0.8) continue;
      EXPECT_LE(c.specificity(), sensitive.specificity() + 1e-12);
    }
  }
}

TEST(OperatingPointTest, ABoundThatNoDoubleHoldsIsReachedExactly) {
  std::vector<double> p, y;
  for (int i = 0; i < 20; ++i) {
    p.push_back(0.5 + i * 0.01);
    y.push_back(1);
    p.push_back(0.4 - i * 0.01);
    y.push_back(0);
  }
  EXPECT_EQ(choose_threshold({OperatingRule::Kind::kSensitivity, 0.95}, p, y).confusion.tp, 20);
  p[0] = 0.01;  // one positive lies below all negatives: 19 of 20 must do
  EXPECT_EQ(choose_threshold({OperatingRule::Kind::kSensitivity, 0.95}, p, y).confusion.tp, 19);
}

TEST(OperatingPointTest, NeighbouringDoublesAndTheEndsOfTheScaleAreSeparated) {
  const double high = std::nextafter(0.5, 1.0);
  const double t = choose("youden", {0.5, high}, {0, 1});
  EXPECT_GT(t, 0.5);
  EXPECT_LE(t, high);
  EXPECT_DOUBLE_EQ(choose("sensitivity>=1", {0.0, 0.5}, {1, 0}), 0);
  EXPECT_GT(choose("specificity>=1", {1.0, 0.5}, {0, 1}), 1);
}

TEST(OperatingPointTest, AFixedThresholdNeedsNoCases) {
  EXPECT_EQ(choose("threshold=0.3", {}, {}), 0.3);
  EXPECT_EQ(choose("0.3", {}, {}), 0.3);
}

TEST(OperatingPointTest, NamesReadBack) {
  for (const char* name :
       {"youden", "balanced", "f1", "accuracy", "event1", "utility", "sensitivity>=0.95",
        "specificity>=0.9", "ppv>=0.5", "npv>=0.99", "threshold=0.25"}) {
    EXPECT_EQ(parse_operating_rule(name).name(), name);
  }
  EXPECT_EQ(parse_operating_rule(" sensitivity >= 0.95 ").name(), "sensitivity>=0.95");
}

TEST(OperatingPointTest, RejectsUnknownRulesAndBoundsListingTheChoices) {
  for (const char* text : {"", "best", "sensitivity", "sensitivity>=", "sensitivity>=x", "ppv>=0",
                           "specificity>=1.1", "threshold=-1", "sensitivity>=nan", "1.5"}) {
    EXPECT_THROW(parse_operating_rule(text), UsageError) << text;
  }
  EXPECT_THAT(error_of([] { parse_operating_rule("best"); }), HasSubstr("choose youden"));
}

TEST(OperatingPointTest, RejectsAnAbsentClass) {
  EXPECT_THAT(error_of([] { choose("youden", {0.1, 0.2}, {0, 0}); }), HasSubstr("both classes"));
}

TEST(OperatingPointTest, RejectsAnUnreachableBoundNamingTheBest) {
  const std::string message =
      error_of([] { choose("ppv>=0.9", {0.9, 0.8, 0.7, 0.2}, {0, 1, 1, 0}); });
  EXPECT_THAT(message, HasSubstr("ppv>=0.9"));
  EXPECT_THAT(message, HasSubstr("0.6667"));
}

TEST(OperatingPointTest, UtilityNeedsStays) {
  EXPECT_THAT(error_of([] { choose("utility"); }), HasSubstr("every step of stays"));
}

TEST(OperatingPointTest, OtherRulesReadOneLabelOfPredictions) {
  Predictions p;
  p.labels = {"a", "b"};
  for (std::size_t i = 0; i < kScores.size(); ++i) {
    p.probabilities.push_back({0.5, kScores[i]});
    p.targets.push_back({0, kTargets[i]});
  }
  EXPECT_DOUBLE_EQ(choose_threshold({OperatingRule::Kind::kYouden}, p, 1).threshold, 0.65);
}

TEST(OperatingPointTest, RejectsScoresThatAreNoProbabilities) {
  EXPECT_THROW(choose("youden", {-2, 3}, {0, 1}), Error);
}

}  // namespace
}  // namespace salus::evaluate
