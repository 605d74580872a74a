#include "engine/train/train_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/io/error.h"
#include "tests/engine/train/train_fixture.h"

namespace salus::train {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string refusal(const std::string& text, const Task& task = binary_task()) {
  try {
    parse_train(text, task);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "(accepted)";
}

TEST(TrainConfigTest, EmptyFileGivesTheDefaults) {
  const auto config = parse_train("");
  EXPECT_EQ(config.epochs, 20);
  EXPECT_EQ(config.monitor, "auroc");
  EXPECT_TRUE(config.channels_last);
  EXPECT_EQ(config.optimizer.kind, OptimizerConfig::Kind::kAdamW);
  EXPECT_FALSE(config.augments);
}

TEST(TrainConfigTest, ReadsEveryTable) {
  const auto config = parse_train(R"(
[train]
precision = "bf16"
sampler = "balanced"
freeze = ["conv1"]
[train.optimizer]
name = "sgd"
lr = 0.5
momentum = 0.8
[train.schedule]
name = "step"
milestones = [50, 75]
[train.loss]
name = "focal"
gamma = 1.5
class_weights = [1, 3]
[train.early_stopping]
patience = 3
[augment]
rotate = 10
scale = [0.9, 1.1]
flip = 0.5
)");
  EXPECT_EQ(config.precision, Precision::kBFloat16);
  EXPECT_EQ(config.sampler, data::Sampler::Kind::kBalanced);
  EXPECT_EQ(config.optimizer.kind, OptimizerConfig::Kind::kSgd);
  EXPECT_EQ(config.optimizer.momentum, 0.8);
  EXPECT_THAT(config.schedule.milestones, ElementsAre(50, 75));
  EXPECT_EQ(config.loss.focal_gamma, 1.5);
  EXPECT_THAT(config.loss.class_weights, ElementsAre(1, 3));
  EXPECT_EQ(config.early_stopping.patience, 3);
  EXPECT_TRUE(config.augments);
  EXPECT_EQ(config.augment.scale_high, 1.1);
}

TEST(TrainConfigTest, AutomaticPrecisionIsWrittenBack) {
  Config config = Config::parse("", "train.toml");
  const auto parsed = read_train_config(config, binary_task(), "cpu");
  EXPECT_THAT(config.to_toml(), HasSubstr("precision = '" + to_string(parsed.precision)));
}

TEST(TrainConfigTest, RefusesUnknownKeys) {
  EXPECT_THAT(refusal("[train]\nepoch = 3"), HasSubstr("did you mean \"epochs\""));
  EXPECT_THAT(refusal("[train.optimizer]\nlearning_rate = 3"), HasSubstr("not a known key"));
  EXPECT_THAT(refusal("[augment]\nrotat = 3"), HasSubstr("did you mean \"rotate\""));
}

TEST(TrainConfigTest, RefusesValuesOutOfRange) {
  EXPECT_THAT(refusal("[train]\nepochs = 0"), HasSubstr("at least 1"));
  EXPECT_THAT(refusal("[train]\nclip_norm = -1.0"), HasSubstr("at least 0"));
  EXPECT_THAT(refusal("[train.ema]\ndecay = 1.0"), HasSubstr("below 1"));
  EXPECT_THAT(refusal("[train.optimizer]\nbetas = [0.9]"), HasSubstr("two numbers"));
  EXPECT_THAT(refusal("[augment]\nflip = 2.0"), HasSubstr("probability"));
  EXPECT_THAT(refusal("[augment]\nscale = [1.1, 0.9]"), HasSubstr("[low, high]"));
}

TEST(TrainConfigTest, RefusesALossThatDoesNotFitTheTask) {
  EXPECT_THAT(refusal("[train.loss]\nname = \"ce\""), HasSubstr("one of bce, focal"));
  const Task task{TaskKind::kMulticlass, {"a", "b", "c"}};
  EXPECT_THAT(refusal("[train.loss]\nclass_weights = [1, 2]", task), HasSubstr("3 numbers"));
  EXPECT_THAT(refusal("[train.loss]\nclass_weights = \"even\""), HasSubstr("balanced"));
}

TEST(TrainConfigTest, KnowsWhichMetricsAreBetterHigh) {
  EXPECT_TRUE(higher_is_better("auroc"));
  EXPECT_FALSE(higher_is_better("loss"));
  EXPECT_FALSE(higher_is_better("rmse"));
}

}  // namespace
}  // namespace salus::train
