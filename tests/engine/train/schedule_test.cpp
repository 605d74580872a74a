#include "engine/train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace salus::train {
namespace {

using Kind = ScheduleConfig::Kind;

ScheduleConfig config_of(Kind kind) {
  ScheduleConfig config;
  config.kind = kind;
  return config;
}

TEST(ScheduleTest, WarmupRisesLinearlyToOne) {
  auto config = config_of(Kind::kConstant);
  config.warmup = 2;
  const Schedule schedule(config, 5, 10);
  EXPECT_DOUBLE_EQ(schedule.factor(0), 0.1);
  EXPECT_DOUBLE_EQ(schedule.factor(4), 0.5);
  EXPECT_DOUBLE_EQ(schedule.factor(9), 1);
  EXPECT_DOUBLE_EQ(schedule.factor(10), 1);
}

TEST(ScheduleTest, CosineFallsFromOneToTheFinalFraction) {
  auto config = config_of(Kind::kCosine);
  config.warmup = 1;
  config.final_fraction = 0.1;
  const Schedule schedule(config, 10, 11);  // 10 steps of warm-up, 100 of cosine
  EXPECT_DOUBLE_EQ(schedule.factor(10), 1);
  EXPECT_NEAR(schedule.factor(60), 0.55, 1e-12);
  EXPECT_NEAR(schedule.factor(35), 0.1 + 0.9 * 0.5 * (1 + std::cos(M_PI / 4)), 1e-12);
  EXPECT_NEAR(schedule.factor(110), 0.1, 1e-12);
  EXPECT_NEAR(schedule.factor(500), 0.1, 1e-12);
}

TEST(ScheduleTest, StepMultipliesAtItsMilestones) {
  auto config = config_of(Kind::kStep);
  config.milestones = {50, 75};
  const Schedule schedule(config, 37, 100);
  EXPECT_DOUBLE_EQ(schedule.factor(37 * 50 - 1), 1);
  EXPECT_DOUBLE_EQ(schedule.factor(37 * 50), 0.1);
  EXPECT_NEAR(schedule.factor(37 * 75), 0.01, 1e-15);
}

TEST(ScheduleTest, PlateauWaitsForItsPatience) {
  auto config = config_of(Kind::kPlateau);
  config.patience = 1;
  config.gamma = 0.5;
  Schedule schedule(config, 1, 100);
  for (const double metric : {0.5, 0.6, 0.6}) schedule.epoch_end(metric, true);
  EXPECT_DOUBLE_EQ(schedule.factor(3), 1);
  schedule.epoch_end(std::nan(""), true);  // the second epoch without improvement
  EXPECT_DOUBLE_EQ(schedule.factor(4), 0.5);

  Schedule again(config, 1, 100);
  again.set_state(schedule.state());
  EXPECT_DOUBLE_EQ(again.factor(4), 0.5);
}

TEST(ScheduleTest, PlateauFollowsTheDirectionOfTheMetric) {
  auto config = config_of(Kind::kPlateau);
  config.patience = 0;
  Schedule schedule(config, 1, 100);
  for (const double loss : {0.5, 0.4, 0.3}) schedule.epoch_end(loss, false);
  EXPECT_DOUBLE_EQ(schedule.factor(3), 1);
  schedule.epoch_end(0.35, false);
  EXPECT_DOUBLE_EQ(schedule.factor(4), 0.1);
}

}  // namespace
}  // namespace salus::train
