#include "engine/evaluate/sepsis_utility.h"

#include <gmock/gmock.h>

#include <numeric>
#include <random>

#include "engine/evaluate/operating_point.h"
#include "engine/io/error.h"
#include "tests/engine/evaluate/golden.h"
#include "tests/engine/evaluate/stay_predictions.h"

namespace salus::evaluate {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::hourly;
using testing::HourlyStay;
using testing::load_golden;
using testing::make_stays;
using testing::stay_predictions;
using testing::to_numbers;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::vector<std::size_t> every_hour(std::size_t n) {
  std::vector<std::size_t> hours(n);
  std::iota(hours.begin(), hours.end(), std::size_t{0});
  return hours;
}

StayUtility utility_of(const HourlyStay& stay) {
  return stay_utilities(make_stays({stay}), 0.5)[0];
}

std::vector<HourlyStay> golden_stays(const nlohmann::json& g) {
  std::vector<HourlyStay> stays;
  for (std::size_t s = 0; s < g["targets"].size(); ++s) {
    stays.push_back({to_numbers(g["probabilities"][s]), to_numbers(g["targets"][s])});
  }
  return stays;
}

TEST(SepsisUtilityTest, AStepIsWorthWhatTheFigureShows) {
  EXPECT_DOUBLE_EQ(step_utility(-100).positive, -0.05);
  EXPECT_NEAR(step_utility(-12.15).positive, -0.025, 1e-12);
  EXPECT_DOUBLE_EQ(step_utility(-12).positive, 0);
  EXPECT_DOUBLE_EQ(step_utility(-9).positive, 0.5);
  EXPECT_DOUBLE_EQ(step_utility(-6).positive, 1);
  EXPECT_DOUBLE_EQ(step_utility(-1.5).positive, 0.5);
  EXPECT_DOUBLE_EQ(step_utility(3).positive, 0);
  EXPECT_DOUBLE_EQ(step_utility(3.01).positive, 0);
  EXPECT_DOUBLE_EQ(step_utility(-6).negative, 0);
  EXPECT_DOUBLE_EQ(step_utility(-1.5).negative, -1);
  EXPECT_DOUBLE_EQ(step_utility(3).negative, -2);
  EXPECT_DOUBLE_EQ(step_utility(4).negative, 0);
  EXPECT_DOUBLE_EQ(step_utility(kNan).positive, -0.05);
  EXPECT_DOUBLE_EQ(step_utility(kNan).negative, 0);
}

TEST(SepsisUtilityTest, AShortStayCalledFromItsThirdHour) {
  // The example of the challenge's code: onset at hour 10, calls 8, 7, 6 and 5 hours before.
  EXPECT_NEAR(utility_of(hourly(6, 4, {2, 3, 4, 5})).observed, 4. / 6 + 5. / 6 + 1 + 8. / 9, 1e-12);
}

TEST(SepsisUtilityTest, AStayWithoutSepsisLosesByEachCall) {
  const StayUtility u = utility_of(hourly(9, 9, {0, 4, 8}));
  EXPECT_NEAR(u.observed, -0.15, 1e-12);
  EXPECT_EQ(u.best, 0);
  EXPECT_EQ(u.inaction, 0);
}

TEST(SepsisUtilityTest, AWholeStayCalledAlways) {
  // Onset at hour 26. Called: 14 hours too early, 3.5 while rising, 4 while falling. Missed: 10.
  const StayUtility u = utility_of(hourly(40, 20, every_hour(40)));
  EXPECT_NEAR(u.observed, -14 * 0.05 + 3.5 + 4, 1e-12);
  EXPECT_NEAR(u.best, 7.5, 1e-12);
  EXPECT_NEAR(u.inaction, -10, 1e-12);
  const std::vector<StayUtility> all = {u};
  EXPECT_NEAR(normalised_utility(all), 16.8 / 17.5, 1e-12);
}

TEST(SepsisUtilityTest, NothingCalledIsZeroAndTheBestPolicyIsOne) {
  std::vector<std::size_t> window;
  for (std::size_t t = 14; t <= 29; ++t) window.push_back(t);
  const auto stays = make_stays({hourly(40, 20, window), hourly(12, 12, {})});
  EXPECT_NEAR(normalised_utility(stay_utilities(stays, 0.5)), 1, 1e-12);
  EXPECT_NEAR(normalised_utility(stay_utilities(stays, 1.1)), 0, 1e-12);
}

TEST(SepsisUtilityTest, AStayThatBeginsSeptic) {
  // Onset at hour 6; the stay ends three hours before. Called: (6 + ... + 1 + 0) of the fall.
  const StayUtility u = utility_of(hourly(4, 0, every_hour(4)));
  EXPECT_NEAR(u.observed, 1 + 8. / 9 + 7. / 9 + 6. / 9, 1e-12);
  EXPECT_NEAR(u.inaction, -(2 + 4 + 6) / 9., 1e-12);
}

TEST(SepsisUtilityTest, EqualsAnIndependentComputationOfRandomStays) {
  const auto golden = load_golden("sepsis_utility");
  ASSERT_EQ(golden.size(), 3u);
  for (const auto& g : golden) {
    const Stays stays = make_stays(golden_stays(g));
    for (const auto& at : g["at"]) {
      const double threshold = at["threshold"].get<double>();
      EXPECT_NEAR(normalised_utility(stay_utilities(stays, threshold)), at["utility"].get<double>(),
                  1e-9);
    }
    const auto each = stay_utilities(stays, 0.35);
    for (std::size_t s = 0; s < each.size(); ++s) {
      EXPECT_NEAR(each[s].observed, g["observed"][s].get<double>(), 1e-9);
    }
  }
}

TEST(SepsisUtilityTest, OneSweepFindsTheLargestUtility) {
  for (const auto& g : load_golden("sepsis_utility")) {
    const Predictions p = stay_predictions(golden_stays(g));
    const ChosenThreshold chosen = choose_threshold({OperatingRule::Kind::kUtility}, p, 0);
    EXPECT_EQ(chosen.name, "utility");
    EXPECT_NEAR(normalised_utility(stay_utilities(make_stays(p), chosen.threshold)),
                g["largest"].get<double>(), 1e-9);
    EXPECT_EQ(chosen.confusion.tp,
              confusion(column(p.probabilities, 0), column(p.targets, 0), chosen.threshold).tp);
  }
}

TEST(SepsisUtilityTest, ANonsenseModelIsBestNeverCalled) {
  const Predictions p =
      stay_predictions({hourly(400, 400, every_hour(400)), hourly(40, 39, {0, 1, 2, 3})});
  EXPECT_GT(choose_threshold({OperatingRule::Kind::kUtility}, p, 0).threshold, 0.9);
}

TEST(SepsisUtilityTest, GainsSumToTheUtility) {
  const auto g = load_golden("sepsis_utility")[2];
  const Stays stays = make_stays(golden_stays(g));
  const auto gains = utility_gains(stays);
  double sum = 0;
  for (std::size_t k = 0; k < gains.size(); ++k) {
    if (stays.probabilities[k] >= 0.5) sum += gains[k];
  }
  EXPECT_NEAR(sum, normalised_utility(stay_utilities(stays, 0.5)), 1e-12);
}

TEST(SepsisUtilityTest, WeightsCountStaysAsOftenAsRepeatingThem) {
  const HourlyStay a = hourly(30, 12, {8, 15}), b = hourly(20, 20, {3}), c = hourly(9, 2, {});
  const auto once = stay_utilities(make_stays({a, b, c}), 0.5);
  const auto repeated = stay_utilities(make_stays({a, a, b, b, b}), 0.5);
  const std::vector<double> weights = {2, 3, 0};
  EXPECT_NEAR(normalised_utility(once, weights), normalised_utility(repeated), 1e-12);
}

TEST(SepsisUtilityTest, HoursCountAndNotRows) {
  // Unknown steps are left out without shifting the others.
  HourlyStay stay = hourly(40, 20, {15, 22});
  const StayUtility whole = utility_of(stay);
  for (const std::size_t t : {3u, 4u, 35u}) stay.targets[t] = kNan;
  EXPECT_NEAR(utility_of(stay).observed, whole.observed, 1e-12);
}

TEST(SepsisUtilityTest, TheIntervalHoldsTheUtilityAndNeedsAnOnset) {
  const auto g = load_golden("sepsis_utility")[2];
  const Stays stays = make_stays(golden_stays(g));
  const Estimate e = estimate_utility(stays, 0.5, {500, 3, 0});
  ASSERT_TRUE(e.interval);
  EXPECT_LT(e.interval->low, e.value);
  EXPECT_GT(e.interval->high, e.value);
  const Stays none = make_stays({hourly(9, 9, {1})});
  EXPECT_THAT(estimate_utility(none, 0.5, {}).absent_because, HasSubstr("no stay"));
  EXPECT_THROW(utility_gains(none), Error);
}

TEST(SepsisUtilityTest, TwoModelsAreComparedStayByStay) {
  std::vector<HourlyStay> good, poor;
  std::vector<std::size_t> window;
  for (std::size_t t = 8; t <= 23; ++t) window.push_back(t);
  for (int i = 0; i < 30; ++i) {
    good.push_back(hourly(30, 14, window));
    poor.push_back(hourly(30, 14, i % 2 == 0 ? window : std::vector<std::size_t>{}));
    good.push_back(hourly(24, 24, {}));
    poor.push_back(hourly(24, 24, {3, 9}));
  }
  const Comparison c = compare_utility(make_stays(poor), 0.5, make_stays(good), 0.5, {999, 1, 0});
  EXPECT_NEAR(c.second, 1, 1e-12);
  EXPECT_NEAR(c.difference, 0.5 + 3.0 / (30 * 17.5), 1e-9);
  ASSERT_TRUE(c.interval);
  EXPECT_LT(c.interval->low, c.difference);
  EXPECT_GT(c.interval->low, 0);
  EXPECT_LT(c.p_value, 0.01);
  const Comparison same = compare_utility(make_stays(good), 0.5, make_stays(good), 0.5, {99, 1, 0});
  EXPECT_EQ(same.p_value, 1);
  EXPECT_FALSE(same.interval);
  EXPECT_THROW(compare_utility(make_stays(good), 0.5, make_stays({good[0]}), 0.5, {}), Error);
}

TEST(StaysTest, StaysPatientsAndOnsetsAreRead) {
  Predictions p = stay_predictions({hourly(5, 3, {}), hourly(1, 1, {}), hourly(3, 0, {})});
  p.patients[5] = p.patients[0];
  const Stays stays = make_stays(p);
  ASSERT_EQ(stays.size(), 3u);
  EXPECT_EQ(stays.patients(), 2u);
  EXPECT_EQ(stays.positives(), 2u);
  EXPECT_EQ(stays.onset[0], 4 + 6);
  EXPECT_FALSE(stays.is_positive(1));
  EXPECT_EQ(stays.onset[2], 1 + 6);
  EXPECT_EQ(stays.duration(0), 5);
  EXPECT_EQ(stays.duration(1), 1);
}

TEST(StaysTest, AStayWithoutAKnownStepIsLeftOut) {
  HourlyStay unknown = hourly(3, 3, {});
  unknown.targets.assign(3, kNan);
  EXPECT_EQ(make_stays({unknown, hourly(2, 2, {}), unknown}).size(), 1u);
}

TEST(StaysTest, RejectsRowsOutOfOrderAndMissingHours) {
  const Predictions good = stay_predictions({hourly(3, 3, {}), hourly(3, 3, {})});
  Predictions p = good;
  p.hours[2] = p.hours[1];
  EXPECT_THAT(error_of([&] { make_stays(p); }), HasSubstr("Row 2 is at hour 2"));
  p = good;
  p.ids[5] = p.ids[0];
  EXPECT_THAT(error_of([&] { make_stays(p); }), HasSubstr("must follow each other"));
  p = good;
  p.hours.clear();
  EXPECT_THAT(error_of([&] { make_stays(p); }), HasSubstr("0 hours"));
  p = good;
  p.targets[1] = {2};
  EXPECT_THAT(error_of([&] { make_stays(p); }), HasSubstr("target 2"));
}

}  // namespace
}  // namespace salus::evaluate
