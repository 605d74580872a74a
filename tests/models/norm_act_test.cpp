// The fused normalisation of training against LibTorch's own, which a contiguous tensor still
// takes.
#include "models/image/norm_act.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace salus::models {
namespace {

namespace nn = torch::nn;

constexpr auto kChannelsLast = at::MemoryFormat::ChannelsLast;

nn::BatchNorm2d norm_of(std::int64_t channels, std::optional<double> momentum = 0.1) {
  nn::BatchNorm2d norm(nn::BatchNorm2dOptions(channels).momentum(momentum));
  at::NoGradGuard no_grad;
  norm->weight.uniform_(0.5, 1.5);
  norm->bias.uniform_(-1, 1);
  norm->running_mean.uniform_(-1, 1);
  norm->running_var.uniform_(0.5, 2);
  return norm;
}

bool is_fused(const at::Tensor& y) {
  return y.grad_fn() != nullptr && y.grad_fn()->name().find("NormAct") != std::string::npos;
}

struct Case {
  Activation activation;
  bool residual;
};

class NormActTest : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override { torch::manual_seed(1); }

  /// norm_act() on `x`, and the gradients of the sum of y times `dy`.
  struct Outcome {
    at::Tensor y, dx, dresidual, dweight, dbias;
  };
  Outcome run(nn::BatchNorm2d& norm, const at::Tensor& x, const at::Tensor& residual,
              const at::Tensor& dy) const {
    const at::Tensor in = x.detach().clone().requires_grad_(true);
    const at::Tensor added = residual.detach().clone().requires_grad_(true);
    norm->zero_grad();
    const bool with = GetParam().residual;
    // A product keeps the leaf's gradient alone in memory and y from being the root of the graph.
    const at::Tensor y = norm_act(*norm, in, GetParam().activation, with ? added : at::Tensor());
    (y * dy).sum().backward();
    return {y, in.grad(), added.grad(), norm->weight.grad().clone(), norm->bias.grad().clone()};
  }
};

TEST_P(NormActTest, EqualsLibTorchsLayersInResultGradientsAndState) {
  nn::BatchNorm2d fused = norm_of(24);
  nn::BatchNorm2d plain = std::dynamic_pointer_cast<nn::BatchNorm2dImpl>(fused->clone());
  for (int step = 0; step < 3; ++step) {
    const at::Tensor x = torch::randn({4, 24, 7, 5}) + 0.5, residual = torch::randn_like(x);
    const at::Tensor dy = torch::randn_like(x);
    const Outcome a = run(fused, x.contiguous(kChannelsLast), residual.contiguous(kChannelsLast),
                          dy.contiguous(kChannelsLast));
    const Outcome b = run(plain, x, residual, dy);
    EXPECT_TRUE(is_fused(a.y));
    EXPECT_FALSE(is_fused(b.y));
    EXPECT_TRUE(torch::allclose(a.y, b.y, 1e-5, 1e-5));
    EXPECT_TRUE(torch::allclose(a.dx, b.dx, 1e-4, 1e-5));
    EXPECT_TRUE(torch::allclose(a.dweight, b.dweight, 1e-4, 1e-4));
    EXPECT_TRUE(torch::allclose(a.dbias, b.dbias, 1e-4, 1e-4));
    ASSERT_EQ(a.dresidual.defined(), GetParam().residual);
    if (!GetParam().residual) continue;
    EXPECT_TRUE(torch::allclose(a.dresidual, b.dresidual, 1e-5, 1e-5));
  }
  EXPECT_TRUE(torch::allclose(fused->running_mean, plain->running_mean, 1e-5, 1e-6));
  EXPECT_TRUE(torch::allclose(fused->running_var, plain->running_var, 1e-5, 1e-6));
  EXPECT_EQ(fused->num_batches_tracked.item<std::int64_t>(), 3);
}

INSTANTIATE_TEST_SUITE_P(Cases, NormActTest,
                         ::testing::Values(Case{Activation::kNone, false},
                                           Case{Activation::kNone, true},
                                           Case{Activation::kRelu, false},
                                           Case{Activation::kRelu, true},
                                           Case{Activation::kSilu, false}));

at::Tensor images(std::int64_t count, at::ScalarType type = at::kFloat) {
  return torch::randn({count, 8, 4, 4}).to(type).contiguous(kChannelsLast);
}

TEST(NormActStateTest, WithoutMomentumIsTheMeanOfAllBatches) {
  nn::BatchNorm2d norm = norm_of(8, std::nullopt);
  at::Tensor mean = torch::zeros({8});
  for (int step = 0; step < 4; ++step) {
    const at::Tensor x = images(3);
    norm_act(*norm, x, Activation::kRelu);
    mean += x.mean(at::IntArrayRef{0, 2, 3}) / 4;
  }
  EXPECT_TRUE(torch::allclose(norm->running_mean, mean, 1e-5, 1e-6));
}

TEST(NormActStateTest, InEvaluationUsesAndKeepsTheRunningStatistics) {
  nn::BatchNorm2d norm = norm_of(8);
  norm->eval();
  const at::Tensor x = images(3), mean = norm->running_mean.clone();
  const at::Tensor y = norm_act(*norm, x, Activation::kRelu);
  EXPECT_FALSE(is_fused(y));
  EXPECT_TRUE(torch::equal(y, norm->forward(x).relu()));
  EXPECT_TRUE(torch::equal(norm->running_mean, mean));
  EXPECT_EQ(norm->num_batches_tracked.item<std::int64_t>(), 0);
}

TEST(NormActStateTest, AddsTheGradientsOfTwoUsesOfItsResult) {
  nn::BatchNorm2d norm = norm_of(8);
  const at::Tensor x = images(3).requires_grad_(true);
  const at::Tensor y = norm_act(*norm, x, Activation::kRelu, x);
  (y.sum() + y.square().sum()).backward();
  const at::Tensor twice = x.grad().clone();
  x.mutable_grad().reset();
  const at::Tensor again = norm_act(*norm, x, Activation::kRelu, x);
  again.backward(1 + 2 * again.detach());
  EXPECT_TRUE(torch::allclose(x.grad(), twice, 1e-4, 1e-5));
}

TEST(NormActStateTest, LeavesAGradientThatSomebodyHoldsAsItIs) {
  nn::BatchNorm2d norm = norm_of(8);
  const at::Tensor x = images(3).requires_grad_(true);
  const at::Tensor dy = images(3), copy = dy.clone();
  norm_act(*norm, x, Activation::kRelu, x.detach()).backward(dy);
  EXPECT_TRUE(torch::equal(dy, copy));
}

TEST(NormActStateTest, TakesAGradientThatIsOneValueEverywhere) {
  nn::BatchNorm2d norm = norm_of(8);
  const at::Tensor x = images(3).requires_grad_(true);
  norm_act(*norm, x, Activation::kRelu).sum().backward();  // expanded: every stride is 0
  const at::Tensor expanded = x.grad().clone();
  x.mutable_grad().reset();
  norm_act(*norm, x, Activation::kRelu).backward(torch::ones_like(x));
  EXPECT_TRUE(torch::equal(x.grad(), expanded));
}

TEST(NormActStateTest, LeavesFloat64AndContiguousTensorsToLibTorch) {
  nn::BatchNorm2d norm = norm_of(8);
  EXPECT_TRUE(is_fused(norm_act(*norm, images(3), Activation::kRelu)));
  EXPECT_TRUE(is_fused(norm_act(*norm, images(3, at::kBFloat16), Activation::kRelu)));
  EXPECT_FALSE(is_fused(norm_act(*norm, images(3).contiguous(), Activation::kRelu)));
  EXPECT_FALSE(is_fused(norm_act(*norm, images(3), Activation::kSigmoid)));
  norm->to(at::kDouble);
  EXPECT_FALSE(is_fused(norm_act(*norm, images(3, at::kDouble), Activation::kRelu)));
}

TEST(NormActStateTest, RefusesOneValueOfAChannelAsLibTorchDoes) {
  nn::BatchNorm2d norm = norm_of(8);
  const at::Tensor one = torch::randn({1, 8, 1, 1});
  EXPECT_THROW(norm_act(*norm, one, Activation::kRelu), c10::Error);
  EXPECT_THROW(norm->forward(one), c10::Error);
}

TEST(NormActStateTest, RefusesASecondDerivative) {
  nn::BatchNorm2d norm = norm_of(8);
  const at::Tensor x = images(3).requires_grad_(true);
  const at::Tensor y = norm_act(*norm, x, Activation::kRelu);
  EXPECT_THROW(torch::autograd::grad({y.square().sum()}, {x}, {}, true, /*create_graph=*/true),
               c10::Error);
}

}  // namespace
}  // namespace salus::models
