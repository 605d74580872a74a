#include "engine/train/optimizer.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "engine/io/error.h"
#include "engine/train/scaler.h"

namespace salus::train {
namespace {

struct Case {
  const char* name;
  OptimizerConfig config;
  std::function<std::unique_ptr<torch::optim::Optimizer>(std::vector<at::Tensor>)> reference;
};

OptimizerConfig config_of(OptimizerConfig::Kind kind, double decay) {
  OptimizerConfig config;
  config.kind = kind;
  config.weight_decay = decay;
  config.decay_norm_and_bias = true;
  return config;
}

class OptimizerTest : public ::testing::TestWithParam<Case> {};

/// Gradients that change sign and size from step to step.
void set_gradients(std::vector<at::Tensor>& parameters, int step) {
  for (auto& parameter : parameters) {
    parameter.mutable_grad() = at::sin(parameter.detach() * 3 + step) * (1 + step % 3);
  }
}

std::vector<at::Tensor> parameters_of(int seed) {
  torch::manual_seed(seed);
  return {at::randn({4, 3, 3, 3}).requires_grad_(true), at::randn({5, 7}).requires_grad_(true),
          at::randn({7}).requires_grad_(true)};
}

NamedTensors named(const std::vector<at::Tensor>& parameters) {
  NamedTensors named;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    named.emplace_back("p" + std::to_string(i), parameters[i]);
  }
  return named;
}

TEST_P(OptimizerTest, EqualsTorchOptim) {
  auto ours = parameters_of(3), theirs = parameters_of(3);
  Optimizer optimizer(named(ours), GetParam().config);
  const auto reference = GetParam().reference(theirs);
  for (int step = 0; step < 20; ++step) {
    set_gradients(ours, step);
    set_gradients(theirs, step);
    optimizer.step(0.05);
    reference->step();
  }
  for (std::size_t i = 0; i < ours.size(); ++i) {
    EXPECT_TRUE(at::allclose(ours[i], theirs[i], 1e-5, 1e-6)) << i;
  }
}

TEST_P(OptimizerTest, GoesOnFromItsState) {
  auto straight = parameters_of(4), resumed = parameters_of(4);
  Optimizer first(named(straight), GetParam().config), second(named(resumed), GetParam().config);
  for (int step = 0; step < 3; ++step) {
    set_gradients(straight, step);
    set_gradients(resumed, step);
    first.step(0.05);
    second.step(0.05);
  }
  Optimizer third(named(resumed), GetParam().config);
  third.load_state(second.state());
  for (int step = 3; step < 6; ++step) {
    set_gradients(straight, step);
    set_gradients(resumed, step);
    first.step(0.05);
    third.step(0.05);
  }
  for (std::size_t i = 0; i < straight.size(); ++i) {
    EXPECT_TRUE(at::equal(straight[i], resumed[i])) << i;
  }
}

TEST_P(OptimizerTest, SkipsAStepWithInfiniteGradients) {
  auto parameters = parameters_of(5);
  Optimizer optimizer(named(parameters), GetParam().config);
  set_gradients(parameters, 0);
  const auto before = parameters[0].detach().clone();
  optimizer.step(0.05, at::ones({1}));
  EXPECT_TRUE(at::equal(parameters[0], before));
  EXPECT_EQ(optimizer.state().at("step").item<float>(), 0);
  optimizer.step(0.05, at::zeros({1}));
  EXPECT_FALSE(at::equal(parameters[0], before));
}

TEST_P(OptimizerTest, LeavesParametersWithoutGradientAlone) {
  auto parameters = parameters_of(6);
  Optimizer optimizer(named(parameters), GetParam().config);
  set_gradients(parameters, 0);
  parameters[1].mutable_grad().reset();
  const auto before = parameters[1].detach().clone();
  optimizer.step(0.05);
  EXPECT_TRUE(at::equal(parameters[1], before));
}

OptimizerConfig sgd(double momentum, bool nesterov) {
  auto config = config_of(OptimizerConfig::Kind::kSgd, 1e-2);
  config.momentum = momentum;
  config.nesterov = nesterov;
  return config;
}

INSTANTIATE_TEST_SUITE_P(
    All, OptimizerTest,
    ::testing::Values(
        Case{"AdamW", config_of(OptimizerConfig::Kind::kAdamW, 0.1),
             [](auto p) -> std::unique_ptr<torch::optim::Optimizer> {
               return std::make_unique<torch::optim::AdamW>(
                   p, torch::optim::AdamWOptions(0.05).weight_decay(0.1));
             }},
        Case{"Adam", config_of(OptimizerConfig::Kind::kAdam, 0.01),
             [](auto p) -> std::unique_ptr<torch::optim::Optimizer> {
               return std::make_unique<torch::optim::Adam>(
                   p, torch::optim::AdamOptions(0.05).weight_decay(0.01));
             }},
        Case{"Sgd", sgd(0, false),
             [](auto p) -> std::unique_ptr<torch::optim::Optimizer> {
               return std::make_unique<torch::optim::SGD>(
                   p, torch::optim::SGDOptions(0.05).weight_decay(1e-2));
             }},
        Case{"SgdNesterov", sgd(0.9, true),
             [](auto p) -> std::unique_ptr<torch::optim::Optimizer> {
               return std::make_unique<torch::optim::SGD>(
                   p,
                   torch::optim::SGDOptions(0.05).weight_decay(1e-2).momentum(0.9).nesterov(true));
             }}),
    [](const auto& info) { return info.param.name; });

TEST(OptimizerGroupsTest, NormsAndBiasesDoNotDecay) {
  const auto matrix = at::ones({2, 2}).requires_grad_(true);
  const auto bias = at::ones({2}).requires_grad_(true);
  auto config = config_of(OptimizerConfig::Kind::kAdamW, 0.5);
  config.decay_norm_and_bias = false;
  Optimizer optimizer({{"fc.weight", matrix}, {"fc.bias", bias}}, config);
  at::Tensor(matrix).mutable_grad() = at::zeros({2, 2});
  at::Tensor(bias).mutable_grad() = at::zeros({2});
  optimizer.step(0.1);
  EXPECT_NEAR(matrix[0][0].item<double>(), 0.95, 1e-6);
  EXPECT_EQ(bias[0].item<float>(), 1);
}

TEST(OptimizerStateTest, RefusesAStateOfAnotherModel) {
  auto parameters = parameters_of(1);
  Optimizer optimizer(named(parameters), config_of(OptimizerConfig::Kind::kAdamW, 0));
  auto state = optimizer.state();
  state.erase("exp_avg.p1");
  EXPECT_THROW(optimizer.load_state(state), Error);
  state["exp_avg.p1"] = at::zeros({3});
  EXPECT_THROW(optimizer.load_state(state), Error);
}

TEST(ClipNormTest, ScalesToTheLimitAndReportsTheNorm) {
  auto a = at::ones({2}).requires_grad_(true), b = at::ones({2, 1}).requires_grad_(true);
  a.mutable_grad() = at::full({2}, 3.0);
  b.mutable_grad() = at::full({2, 1}, 4.0);
  Optimizer optimizer({{"a", a}, {"b", b}}, config_of(OptimizerConfig::Kind::kAdamW, 0));
  const double norm = std::sqrt(2 * 9.0 + 2 * 16.0);
  EXPECT_NEAR(optimizer.clip_norm(1.0).item<double>(), norm, 1e-5);
  EXPECT_NEAR(a.grad()[0].item<double>(), 3 / norm, 1e-5);
  const auto small = a.grad().clone();
  optimizer.clip_norm(100);  // already below
  EXPECT_TRUE(at::equal(a.grad(), small));
}

TEST(GradScalerTest, HalvesAfterOverflowAndDoublesAfterTheInterval) {
  GradScaler scaler(at::kCPU, 8, /*growth_interval=*/2);
  EXPECT_EQ(scaler.scale(at::ones({})).item<float>(), 8);
  const auto good = at::full({3}, 16.0f);
  EXPECT_EQ(scaler.unscale({good}).item<float>(), 0);
  EXPECT_EQ(good[0].item<float>(), 2);
  scaler.update();
  const auto bad = at::full({3}, std::numeric_limits<float>::infinity());
  EXPECT_EQ(scaler.unscale({bad}).item<float>(), 1);
  scaler.update();
  EXPECT_EQ(scaler.state().at("scale").item<float>(), 4);
  for (int i = 0; i < 2; ++i) {
    scaler.unscale({at::ones({1})});
    scaler.update();
  }
  EXPECT_EQ(scaler.state().at("scale").item<float>(), 8);
}

}  // namespace
}  // namespace salus::train
