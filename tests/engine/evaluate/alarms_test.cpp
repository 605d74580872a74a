#include "engine/evaluate/alarms.h"

#include <gmock/gmock.h>

#include "engine/io/error.h"
#include "tests/engine/evaluate/golden.h"
#include "tests/engine/evaluate/stay_predictions.h"

namespace salus::evaluate {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::hourly;
using testing::make_stays;
using ::testing::Not;
using testing::stay_predictions;

AlarmMetrics metrics_of(const Stays& stays, const AlarmRule& rule) {
  return alarm_metrics(stay_alarms(stays, rule), std::vector<double>(stays.size(), 1.0));
}

/// Onsets at hours 21, 27 (counted from 1) and never; alarms 11 and 1 hours before the first onset,
/// after the second, and twice in the third.
Stays three_stays() {
  return make_stays({hourly(24, 14, {9, 19}), hourly(36, 20, {30}), hourly(12, 12, {2, 3})});
}

TEST(AlarmsTest, TheBurdenByHand) {
  const AlarmMetrics m = metrics_of(three_stays(), {0.5});
  EXPECT_DOUBLE_EQ(m.alarms_per_stay_day, 5 / 3.0);  // 72 hours
  EXPECT_DOUBLE_EQ(m.stays_alarmed, 1);
  EXPECT_DOUBLE_EQ(m.alarmed_before_onset, 0.5);
  EXPECT_DOUBLE_EQ(m.lead_hours_median, 11);
}

TEST(AlarmsTest, TheLeadIsFromTheFirstAlarmAndItsQuartilesInterpolate) {
  const AlarmMetrics m = metrics_of(
      make_stays({hourly(30, 14, {9}), hourly(30, 14, {17, 18}), hourly(30, 14, {13, 25})}), {0.5});
  EXPECT_DOUBLE_EQ(m.alarmed_before_onset, 1);
  EXPECT_DOUBLE_EQ(m.lead_hours_q25, 5);
  EXPECT_DOUBLE_EQ(m.lead_hours_median, 7);
  EXPECT_DOUBLE_EQ(m.lead_hours_q75, 9);
}

TEST(AlarmsTest, AfterAnAlarmAStayIsQuietForTheRefractoryTime) {
  const Stays stays = make_stays({hourly(24, 24, {2, 3, 4, 5, 8, 20})});
  EXPECT_EQ(stay_alarms(stays, {0.5})[0].alarms.size(), 6u);
  EXPECT_THAT(stay_alarms(stays, {0.5, {3}})[0].alarms, ElementsAre(3, 6, 9, 21));
  EXPECT_THAT(stay_alarms(stays, {0.5, {6}})[0].alarms, ElementsAre(3, 9, 21));
  EXPECT_EQ(stay_alarms(stays, {0.5, {100}})[0].alarms.size(), 1u);
}

TEST(AlarmsTest, AnAlarmAtTheOnsetOrTooLongBeforeIsNotInTime) {
  // The onset is 6 hours after hour 14.
  const Stays late = make_stays({hourly(30, 14, {20, 21})});
  EXPECT_EQ(metrics_of(late, {0.5}).alarmed_before_onset, 0);
  EXPECT_TRUE(std::isnan(metrics_of(late, {0.5}).lead_hours_median));
  const Stays early = make_stays({hourly(30, 14, {2, 10})});
  EXPECT_EQ(metrics_of(early, {0.5}).lead_hours_median, 18);
  EXPECT_EQ(metrics_of(early, {0.5, {0, 12}}).lead_hours_median, 10);
  EXPECT_EQ(metrics_of(early, {0.5, {0, 9}}).alarmed_before_onset, 0);
}

TEST(AlarmsTest, AScoreAtTheThresholdIsAnAlarm) {
  const Stays stays = make_stays({hourly(5, 5, {1, 2}, 0.5)});
  EXPECT_EQ(stay_alarms(stays, {0.5})[0].alarms.size(), 2u);
  EXPECT_EQ(stay_alarms(stays, {0.500001})[0].alarms.size(), 0u);
}

TEST(AlarmsTest, WeightsCountStaysAsOftenAsRepeatingThem) {
  const auto a = hourly(24, 14, {9, 19}), b = hourly(36, 20, {22}), c = hourly(12, 12, {2});
  const std::vector<double> weights = {3, 1, 0};
  const AlarmMetrics weighted = alarm_metrics(stay_alarms(make_stays({a, b, c}), {0.5}), weights);
  const AlarmMetrics repeated = metrics_of(make_stays({a, a, a, b}), {0.5});
  for (const auto& field : alarm_metric_fields()) {
    EXPECT_DOUBLE_EQ(weighted.*field.value, repeated.*field.value) << field.name;
  }
}

TEST(AlarmsTest, EachFigureHasItsIntervalOrAReason) {
  std::vector<testing::HourlyStay> stays;
  for (std::size_t i = 0; i < 40; ++i) {
    stays.push_back(
        hourly(20 + i % 5, 14, i % 4 == 0 ? std::vector<std::size_t>{} : std::vector{i % 20}));
    stays.push_back(hourly(10 + i, 10 + i,
                           i % 3 == 0 ? std::vector<std::size_t>{2} : std::vector<std::size_t>{}));
  }
  EvaluationOptions options;
  options.resampling = {300, 5, 0};
  for (const Estimate& e : estimate_alarms(make_stays(stays), {0.5}, options)) {
    ASSERT_TRUE(e.interval) << e.name;
    EXPECT_LE(e.interval->low, e.value) << e.name;
    EXPECT_GE(e.interval->high, e.value) << e.name;
  }
  const auto never = estimate_alarms(make_stays({hourly(9, 9, {1})}), {0.5}, options);
  EXPECT_THAT(find(never, "alarmed_before_onset")->absent_because, HasSubstr("no stay has"));
  const auto silent = estimate_alarms(make_stays({hourly(9, 3, {})}), {0.5}, options);
  EXPECT_EQ(find(silent, "alarmed_before_onset")->value, 0);
  EXPECT_THAT(find(silent, "lead_hours_median")->absent_because, HasSubstr("no stay is alarmed"));
}

/// Stays of both kinds with one alarm each, and an operating point.
struct Evaluated {
  Predictions p;
  EvaluationOptions options;

  Evaluated() {
    std::vector<testing::HourlyStay> stays;
    for (std::size_t i = 0; i < 20; ++i) {
      stays.push_back(hourly(30, i % 4 == 0 ? 14 : 30, {i}));
    }
    p = stay_predictions(stays);
    options.resampling.replicates = 100;
    options.operating_points = {{"utility", "sepsis", 0.5}, {"never", "sepsis", 0.95}};
  }
};

TEST(AlarmsTest, AnEvaluationOfStepsHasUtilityAndAlarmsAtEachOperatingPoint) {
  Evaluated it;
  const Evaluation e = evaluate(it.p, it.options);
  EXPECT_EQ(e.labels[0].stays, 20u);
  EXPECT_EQ(e.labels[0].positive_stays, 5u);
  const auto& points = e.labels[0].operating_points;
  EXPECT_DOUBLE_EQ(find(points[0].stays, "alarms_per_stay_day")->value, 0.8);
  EXPECT_EQ(find(points[1].stays, "utility")->value, 0);
  EXPECT_EQ(find(points[1].stays, "stays_alarmed")->value, 0);
  EXPECT_DOUBLE_EQ(find(e.overall, "utility")->value, find(points[0].stays, "utility")->value);
  const std::string text = to_text(e), json = to_json(e);
  EXPECT_THAT(text, HasSubstr("alarmed_before_onset"));
  EXPECT_THAT(text, HasSubstr("at prevalence"));
  EXPECT_THAT(text, Not(HasSubstr("SECRET")));
  EXPECT_THAT(json, Not(HasSubstr("SECRET")));
  const auto parsed = nlohmann::json::parse(json);
  EXPECT_EQ(parsed["labels"][0]["positive_stays"], 5);
  EXPECT_TRUE(parsed["labels"][0]["operating_points"][0]["stays"].contains("lead_hours_q25"));
}

TEST(AlarmsTest, TheRefractoryTimeAndTheLeadOfAnEvaluationAreTheCallers) {
  Evaluated it;
  for (auto& row : it.p.probabilities) row = {0.9};
  it.options.steps.alarms.refractory = 24;
  const Evaluation e = evaluate(it.p, it.options);
  EXPECT_DOUBLE_EQ(find(e.labels[0].operating_points[0].stays, "alarms_per_stay_day")->value, 1.6);
  EXPECT_DOUBLE_EQ(find(e.labels[0].operating_points[0].stays, "lead_hours_median")->value, 20);
  it.options.steps.label_lead = 0;
  const Evaluation other = evaluate(it.p, it.options);
  EXPECT_DOUBLE_EQ(find(other.labels[0].operating_points[0].stays, "lead_hours_median")->value, 14);
}

TEST(AlarmsTest, TheOnsetThatTheDataSayCountsAndNotTheFirstPositiveStep) {
  Evaluated it;
  for (auto& row : it.p.probabilities) row = {0.9};
  it.options.steps.alarms.refractory = 24;
  const double by_label =
      find(evaluate(it.p, it.options).labels[0].operating_points[0].stays, "lead_hours_median")
          ->value;
  // Two hours later in every stay that has one.
  const auto patient = patient_numbers(it.p.patients, it.p.targets.size());
  const Stays stays = split_stays(it.p, patient, 0, it.options.steps.label_lead);
  it.p.onsets.assign(it.p.targets.size(), std::nan(""));
  for (std::size_t s = 0; s < stays.size(); ++s) {
    for (std::size_t k = stays.offsets[s]; k < stays.offsets[s + 1]; ++k) {
      it.p.onsets[stays.row[k]] = stays.onset[s] + 2;
    }
  }
  const Evaluation e = evaluate(it.p, it.options);
  EXPECT_DOUBLE_EQ(find(e.labels[0].operating_points[0].stays, "lead_hours_median")->value,
                   by_label + 2);
  EXPECT_EQ(e.labels[0].positive_stays, 5u);
  it.p.onsets.pop_back();
  EXPECT_THROW(evaluate(it.p, it.options), Error);
}

TEST(AlarmsTest, AnEvaluationSaysWhatItsAlarmsWereRaisedBy) {
  Evaluated it;
  it.options.steps.alarms = {6, 48};
  const Evaluation e = evaluate(it.p, it.options);
  EXPECT_THAT(to_text(e), HasSubstr("alarms: a refractory time of 6 h, a lead of at most 48 h"));
  const auto alarms = nlohmann::json::parse(to_json(e))["alarms"];
  EXPECT_EQ(alarms["refractory_hours"], 6);
  EXPECT_EQ(alarms["longest_lead_hours"], 48);
  it.p.hours.clear();
  EXPECT_FALSE(nlohmann::json::parse(to_json(evaluate(it.p, it.options))).contains("alarms"));
  it.options.steps.alarms.refractory = -1;
  EXPECT_THROW(evaluate(it.p, it.options), Error);
}

}  // namespace
}  // namespace salus::evaluate
