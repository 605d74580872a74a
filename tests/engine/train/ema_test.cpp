#include "engine/train/ema.h"

#include <gtest/gtest.h>

#include "engine/io/error.h"
#include "tests/engine/train/train_fixture.h"

namespace salus::train {
namespace {

TEST(EmaTest, WarmUpForgetsTheFirstSteps) {
  EXPECT_DOUBLE_EQ(Ema::decay_at(0.999, 0), 0.1);
  EXPECT_DOUBLE_EQ(Ema::decay_at(0.999, 8), 0.5);
  EXPECT_DOUBLE_EQ(Ema::decay_at(0.9, 1000), 0.9);
}

TEST(EmaTest, FollowsTheFormulaOverParametersAndStatistics) {
  at::NoGradGuard guard;
  TinyModel model;
  Ema ema(model, 0.9);
  const auto start = model.fc->weight.clone();
  const auto mean = model.bn1->running_mean.clone();
  model.fc->weight.add_(1);
  model.bn1->running_mean.add_(2);
  model.bn1->num_batches_tracked.add_(1);
  ema.update(3);  // decay (1 + 3) / (10 + 3)
  const double rest = 1 - 4.0 / 13;
  EXPECT_TRUE(at::allclose(ema.state().at("fc.weight"), start + rest));
  EXPECT_TRUE(at::allclose(ema.state().at("bn1.running_mean"), mean + 2 * rest));
  EXPECT_EQ(ema.state().at("bn1.num_batches_tracked").item<std::int64_t>(), 1);
}

TEST(EmaTest, ScopeEvaluatesTheAveragesAndPutsBack) {
  at::NoGradGuard guard;
  TinyModel model;
  Ema ema(model, 0.9);
  const auto average = model.fc->weight.clone();
  model.fc->weight.add_(1);
  const auto live = model.fc->weight.clone();
  {
    const EmaScope scope(&ema);
    EXPECT_TRUE(at::equal(model.fc->weight, average));
    EXPECT_TRUE(at::equal(ema.state().at("fc.weight"), live));
  }
  EXPECT_TRUE(at::equal(model.fc->weight, live));
  EXPECT_TRUE(at::equal(ema.state().at("fc.weight"), average));
  const EmaScope nothing(nullptr);
}

TEST(EmaTest, TrainingGoesOnAfterAScope) {
  TinyModel model;
  Ema ema(model, 0.9);
  {
    const EmaScope scope(&ema);
  }
  Batch batch;
  batch.inputs["image"] = at::randn({4, 1, 8, 8});
  model.forward(batch).sum().backward();
  EXPECT_TRUE(model.fc->weight.grad().defined());
}

TEST(EmaTest, RefusesAStateOfAnotherModel) {
  TinyModel model, other(3);
  Ema ema(model, 0.9), foreign(other, 0.9);
  EXPECT_THROW(ema.load_state(foreign.state()), Error);
}

}  // namespace
}  // namespace salus::train
