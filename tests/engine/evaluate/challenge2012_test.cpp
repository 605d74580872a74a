#include "engine/evaluate/challenge2012.h"

#include <gmock/gmock.h>

#include "engine/evaluate/evaluation.h"
#include "engine/io/error.h"
#include "tests/engine/evaluate/golden.h"

namespace salus::evaluate {
namespace {

using ::testing::HasSubstr;
using testing::load_golden;
using testing::same_metric;
using testing::to_numbers;

/// Two cases a tenth, with risks 0.05, 0.15, ... 0.95.
struct Tenths {
  std::vector<double> p, y;

  explicit Tenths(const std::vector<double>& targets) : y(targets) {
    for (int g = 0; g < 10; ++g) p.insert(p.end(), 2, 0.05 + 0.1 * g);
  }
};

TEST(Challenge2012Test, EqualsAnIndependentComputation) {
  const auto golden = load_golden("challenge2012");
  ASSERT_EQ(golden.size(), 3u);
  for (const auto& g : golden) {
    const Challenge2012 m = Challenge2012Evaluator(
        to_numbers(g["probabilities"]), to_numbers(g["targets"]), g["threshold"].get<double>())();
    EXPECT_TRUE(same_metric(g["event1"].get<double>(), m.event1, 1e-12));
    EXPECT_TRUE(same_metric(g["event2"].get<double>(), m.event2, 1e-9));
  }
}

TEST(Challenge2012Test, EventTwoByHand) {
  // All but the last tenth as improbable as can be: one death of 2 x 0.95 expected, none of the rest.
  std::vector<double> y(20, 0);
  y[19] = 1;
  const Tenths t(y);
  double h = 0;
  for (int g = 0; g < 10; ++g) {
    const double r = 0.05 + 0.1 * g, deaths = g == 9 ? 1 : 0;
    h += (deaths - 2 * r) * (deaths - 2 * r) / (2 * r * (1 - r) + 0.001);
  }
  EXPECT_NEAR(Challenge2012Evaluator(t.p, t.y, 0.5)().event2, h / 0.9, 1e-12);
}

TEST(Challenge2012Test, EventOneIsTheSmallerOfSensitivityAndPpv) {
  const std::vector<double> p = {0.9, 0.8, 0.7, 0.2, 0.1}, y = {1, 0, 0, 1, 0};
  EXPECT_DOUBLE_EQ(Challenge2012Evaluator(p, y, 0.75)().event1, 0.5);
  EXPECT_DOUBLE_EQ(Challenge2012Evaluator(p, y, 0.7)().event1, 1.0 / 3);
  EXPECT_DOUBLE_EQ(Challenge2012Evaluator(p, y, 0.15)().event1, 0.5);
}

TEST(Challenge2012Test, TheRestAtTheTopIsLeftOutOfEventTwo) {
  Tenths t(std::vector<double>(20, 0));
  const double without = Challenge2012Evaluator(t.p, t.y, 0.5)().event2;
  t.p.insert(t.p.begin(), 9, 0.99);
  t.y.insert(t.y.begin(), 9, 1.0);
  EXPECT_DOUBLE_EQ(Challenge2012Evaluator(t.p, t.y, 0.5)().event2, without);
}

TEST(Challenge2012Test, WeightsCountCasesAsOftenAsRepeatingThem) {
  std::vector<double> p, y, weights, repeated_p, repeated_y;
  for (int i = 0; i < 60; ++i) {
    p.push_back((i * 37 % 60) / 60.0);
    y.push_back(i % 3 == 0 ? 1 : 0);
    weights.push_back(i % 4);
    repeated_p.insert(repeated_p.end(), i % 4, p.back());
    repeated_y.insert(repeated_y.end(), i % 4, y.back());
  }
  const Challenge2012 weighted = Challenge2012Evaluator(p, y, 0.4)(weights);
  const Challenge2012 repeated = Challenge2012Evaluator(repeated_p, repeated_y, 0.4)();
  EXPECT_NEAR(weighted.event1, repeated.event1, 1e-12);
  EXPECT_NEAR(weighted.event2, repeated.event2, 1e-9);
}

TEST(Challenge2012Test, AnAbsentEventHasAReason) {
  const std::vector<double> few = {0.1, 0.2}, y = {0, 1};
  const Challenge2012 m = Challenge2012Evaluator(few, y, 0.5)();
  EXPECT_TRUE(std::isnan(m.event1));
  EXPECT_TRUE(std::isnan(m.event2));
  EXPECT_THAT(challenge2012_absent_reason("event1", 1, 1), HasSubstr("called positive"));
  EXPECT_THAT(challenge2012_absent_reason("event1", 0, 2), HasSubstr("no case is positive"));
  EXPECT_THAT(challenge2012_absent_reason("event2", 1, 1), HasSubstr("fewer than ten"));
  const std::vector<double> same(20, 0.5);
  EXPECT_TRUE(std::isnan(
      Challenge2012Evaluator(same, Tenths(same).y = std::vector<double>(20, 1), 0.5)().event2));
  EXPECT_THAT(challenge2012_absent_reason("event2", 10, 10), HasSubstr("same risk"));
}

TEST(Challenge2012Test, RejectsScoresThatAreNoProbabilities) {
  EXPECT_THROW(Challenge2012Evaluator({-1, 0.5}, {0, 1}, 0.5), Error);
}

TEST(Challenge2012Test, AnEvaluationHasBothEventsOnRequestOnly) {
  const auto g = load_golden("challenge2012")[0];
  Predictions p;
  p.labels = {"death"};
  for (const double v : to_numbers(g["probabilities"])) p.probabilities.push_back({v});
  for (const double v : to_numbers(g["targets"])) p.targets.push_back({v});
  EvaluationOptions options;
  options.resampling.replicates = 200;
  options.operating_points = {{"event1", "death", g["threshold"].get<double>()},
                              {"other", "death", 0.5}};
  EXPECT_EQ(find(evaluate(p, options).overall, "event1"), nullptr);
  options.challenge2012 = true;
  const Evaluation e = evaluate(p, options);
  for (const char* event : {"event1", "event2"}) {
    const Estimate* estimate = find(e.overall, event);
    ASSERT_NE(estimate, nullptr);
    EXPECT_NEAR(estimate->value, g[event].get<double>(), 1e-9);
    ASSERT_TRUE(estimate->interval);
    EXPECT_LT(estimate->interval->low, estimate->interval->high);
  }
  const auto& points = e.labels[0].operating_points;
  EXPECT_DOUBLE_EQ(find(points[0].metrics, "event1")->value, g["event1"].get<double>());
  EXPECT_DOUBLE_EQ(find(points[1].metrics, "event1")->value,
                   std::min(find(points[1].metrics, "sensitivity")->value,
                            find(points[1].metrics, "ppv")->value));
  EXPECT_THAT(to_text(e), HasSubstr("event2"));
}

}  // namespace
}  // namespace salus::evaluate
