#include "engine/evaluate/alarm_rule.h"

#include <gmock/gmock.h>

#include <cmath>

namespace salus::evaluate {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<std::size_t> alarms(const std::vector<double>& hours, const std::vector<double>& risk,
                                double refractory) {
  return alarm_steps(hours, risk, {0.5, {refractory}});
}

TEST(AlarmRuleTest, WithoutARefractoryTimeEveryStepAtTheThresholdIsAnAlarm) {
  EXPECT_THAT(alarms({0, 1, 2, 3}, {0.5, 0.4, 0.9, 0.5}, 0), ElementsAre(0, 2, 3));
}

TEST(AlarmRuleTest, AStepThatManyHoursAfterAnAlarmRaisesTheNext) {
  EXPECT_THAT(alarms({0, 1.5, 2, 2.5, 4}, {0.9, 0.9, 0.9, 0.9, 0.9}, 2), ElementsAre(0, 2, 4));
}

TEST(AlarmRuleTest, ARiskThatStaysHighAlarmsAgainAndOneThatFellDoesNotSooner) {
  EXPECT_THAT(alarms({0, 1, 2, 3}, {0.9, 0.1, 0.9, 0.9}, 3), ElementsAre(0, 3));
}

TEST(AlarmRuleTest, AStepInTheRefractoryTimeDoesNotProlongIt) {
  EXPECT_THAT(alarms({0, 2, 3}, {0.9, 0.9, 0.9}, 3), ElementsAre(0, 2));
}

TEST(AlarmRuleTest, HoursThatAreNotExactInBinaryAreNotLate) {
  std::vector<double> hours;
  for (int t = 0; t < 12; ++t) hours.push_back(t * 0.1);  // 9 * 0.1 - 6 * 0.1 < 0.3
  EXPECT_THAT(alarms(hours, std::vector<double>(12, 0.9), 0.3), ElementsAre(0, 3, 6, 9));
}

TEST(AlarmRuleTest, NoStepsAndStepsWithoutARiskRaiseNothing) {
  EXPECT_THAT(alarms({}, {}, 1), IsEmpty());
  EXPECT_THAT(alarms({0, 1}, {std::nan(""), 0.9}, 5), ElementsAre(1));
}

TEST(AlarmRuleTest, ARaisedAlarmIsRememberedAndAnotherIsNot) {
  double last = -kInfinity;
  EXPECT_TRUE(raise_alarm(4, 2, last));
  EXPECT_EQ(last, 4);
  EXPECT_FALSE(raise_alarm(5, 2, last));
  EXPECT_EQ(last, 4);
}

TEST(AlarmRuleTest, TimesAreSaidInWordsAndRefusedWhereTheyMakeNoSense) {
  EXPECT_EQ(to_text(AlarmTimes{}), "a refractory time of 0 h, a lead of any length");
  EXPECT_EQ(to_text(AlarmTimes{1.5, 24}), "a refractory time of 1.5 h, a lead of at most 24 h");
  EXPECT_EQ(problem_of({}), "");
  for (const double bad : {-1.0, kInfinity, std::nan("")}) {
    EXPECT_THAT(problem_of({bad}), HasSubstr("refractory")) << bad;
  }
  for (const double bad : {-1.0, 0.0, std::nan("")}) {
    EXPECT_THAT(problem_of({1, bad}), HasSubstr("lead")) << bad;
  }
}

}  // namespace
}  // namespace salus::evaluate
