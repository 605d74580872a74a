#include "models/vitals/gru_d_function.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tests/kernels/gru_d_cases.h"

namespace salus::models {
namespace {

using kernels::GruDCase;

void require_gradients(GruDCase& c) {
  for (auto& [name, tensor] : kernels::tensors_of(c.input)) tensor->requires_grad_(true);
  for (auto& [name, tensor] : kernels::tensors_of(c.parameters)) tensor->requires_grad_(true);
}

at::Tensor loss_of(const GruDStates& states, const GruDCase& c) {
  return (states.hidden * c.grad_hidden).sum() + (states.last * c.grad_last).sum();
}

TEST(GruDFunctionTest, GradientsAreThoseOfThePlainFormulaInFloat64) {
  for (const auto& [n, t, d, h] :
       {std::array{5, 9, 7, 12}, std::array{3, 1, 16, 16}, std::array{9, 20, 37, 33}}) {
    GruDCase c = kernels::gru_d_case(n, t, d, h);
    const kernels::GruDExpected expected = kernels::expected_of(c);
    require_gradients(c);
    const GruDStates states = gru_d(c.input, c.parameters);
    kernels::expect_close("hidden", states.hidden.detach(), expected.result.hidden, 4e-6);
    loss_of(states, c).backward();
    kernels::GruDGradients wanted = expected.gradients;
    kernels::GruDGradients got = {c.input.values.grad(),
                                  c.input.delta.grad(),
                                  c.input.mean.grad(),
                                  c.input.initial.grad(),
                                  {}};
    for (std::size_t i = 0; i < kernels::tensors_of(c.parameters).size(); ++i) {
      *kernels::tensors_of(got.parameters)[i].second =
          kernels::tensors_of(c.parameters)[i].second->grad();
    }
    kernels::expect_gradients(got, wanted, 4e-6);
  }
}

TEST(GruDFunctionTest, OnlyWhatIsUsedAndWantedGetsAGradient) {
  GruDCase c = kernels::gru_d_case(3, 5, 4, 6);
  c.parameters.weight_hh.requires_grad_(true);
  const GruDStates states = gru_d(c.input, c.parameters);
  states.last.sum().backward();
  EXPECT_TRUE(c.parameters.weight_hh.grad().defined());
  EXPECT_FALSE(c.input.values.grad().defined());
  EXPECT_FALSE(c.parameters.weight_ih.grad().defined());
}

TEST(GruDFunctionTest, KeepsNothingWithoutGradients) {
  GruDCase c = kernels::gru_d_case(3, 5, 4, 6);
  EXPECT_FALSE(gru_d(c.input, c.parameters).hidden.requires_grad());
  require_gradients(c);
  EXPECT_TRUE(gru_d(c.input, c.parameters).hidden.requires_grad());
  const torch::NoGradGuard no_grad;
  EXPECT_FALSE(gru_d(c.input, c.parameters).hidden.requires_grad());
}

TEST(GruDFunctionTest, GradientsAddUpOverTwoPasses) {
  GruDCase c = kernels::gru_d_case(3, 5, 4, 6);
  require_gradients(c);
  const at::Tensor loss = loss_of(gru_d(c.input, c.parameters), c);
  loss.backward({}, /*retain_graph=*/true);
  const at::Tensor once = c.parameters.weight_ih.grad().clone();
  loss.backward();
  EXPECT_TRUE(torch::equal(c.parameters.weight_ih.grad(), 2 * once));
}

TEST(GruDFunctionTest, RefusesAGradientOfItsGradient) {
  GruDCase c = kernels::gru_d_case(3, 5, 4, 6);
  require_gradients(c);
  const at::Tensor loss = loss_of(gru_d(c.input, c.parameters), c);
  try {
    torch::autograd::grad({loss}, {c.parameters.weight_ih}, {}, true, /*create_graph=*/true);
    ADD_FAILURE() << "not refused";
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what_without_backtrace()).find("a gradient of its gradient"),
              std::string::npos)
        << error.what_without_backtrace();
  }
}

TEST(GruDFunctionTest, AdamLowersALoss) {
  // A step against the gradient must go down, as it would not with a sign or an order confused.
  GruDCase c = kernels::gru_d_case(16, 12, 5, 8);
  require_gradients(c);
  std::vector<at::Tensor> weights;
  for (auto& [name, tensor] : kernels::tensors_of(c.parameters)) weights.push_back(*tensor);
  torch::optim::Adam adam(weights, torch::optim::AdamOptions(0.02));
  const at::Tensor target = at::randn({16, 8}).tanh();
  std::vector<double> losses;
  for (int i = 0; i < 40; ++i) {
    adam.zero_grad();
    const at::Tensor loss = (gru_d(c.input, c.parameters).last - target).square().mean();
    loss.backward();
    adam.step();
    losses.push_back(loss.item<double>());
  }
  EXPECT_LT(losses.back(), 0.5 * losses.front());
}

}  // namespace
}  // namespace salus::models
