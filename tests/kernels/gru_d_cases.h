#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "kernels/gru_d.h"
#include "tests/support/reference/gru_d.h"

// What the tests of gru_d share, on whichever device.

namespace salus::kernels {

struct GruDCase {
  GruDInput input;
  GruDParameters parameters;
  at::Tensor grad_hidden, grad_last;
};

/// Series with irregular times, a third of the values observed, NaN where they are not, and lengths
/// from 0 to `steps`. Some decays are on, some off.
inline GruDCase gru_d_case(std::int64_t series, std::int64_t steps, std::int64_t variables,
                           std::int64_t units, std::uint64_t seed = 1) {
  at::manual_seed(seed);
  const auto scaled = [](at::IntArrayRef shape, double scale) { return at::randn(shape) * scale; };
  const double by_input = 1 / std::sqrt(2.0 * variables), by_state = 1 / std::sqrt(1.0 * units);
  GruDCase c;
  const at::Tensor observed = at::rand({series, steps, variables}) < 0.35;
  c.input.mask = observed.to(at::kFloat);
  c.input.values =
      at::randn({series, steps, variables}).masked_fill(observed.logical_not(), std::nan(""));
  c.input.delta = at::rand({series, steps, variables}) * 3;
  c.input.length = at::arange(series, at::kLong).remainder(steps + 1);
  if (series > 0) c.input.length[0] = steps;
  c.input.mean = scaled({variables}, 0.3);
  c.input.initial = scaled({series, units}, 0.5);
  c.parameters = {.input_decay_weight = scaled({variables}, 0.5),
                  .input_decay_bias = scaled({variables}, 0.1),
                  .hidden_decay_weight = scaled({units, variables}, 0.3 * by_input),
                  .hidden_decay_bias = scaled({units}, 0.1),
                  .weight_ih = scaled({3 * units, 2 * variables}, by_input),
                  .weight_hh = scaled({3 * units, units}, by_state),
                  .bias_ih = scaled({3 * units}, 0.2),
                  .bias_hh = scaled({3 * units}, 0.2)};
  c.grad_hidden = scaled({series, steps, units}, 1);
  c.grad_last = scaled({series, units}, 1);
  return c;
}

/// The tensors that are of the parameters' dtype, in one order.
inline std::vector<std::pair<std::string, at::Tensor*>> tensors_of(GruDParameters& p) {
  return {{"input_decay_weight", &p.input_decay_weight},
          {"input_decay_bias", &p.input_decay_bias},
          {"hidden_decay_weight", &p.hidden_decay_weight},
          {"hidden_decay_bias", &p.hidden_decay_bias},
          {"weight_ih", &p.weight_ih},
          {"weight_hh", &p.weight_hh},
          {"bias_ih", &p.bias_ih},
          {"bias_hh", &p.bias_hh}};
}
inline std::vector<std::pair<std::string, at::Tensor*>> tensors_of(GruDInput& i) {
  return {{"values", &i.values}, {"delta", &i.delta}, {"mean", &i.mean}, {"initial", &i.initial}};
}
inline std::vector<std::pair<std::string, at::Tensor*>> tensors_of(GruDGradients& g) {
  auto all = tensors_of(g.parameters);
  all.insert(
      all.end(),
      {{"values", &g.values}, {"delta", &g.delta}, {"mean", &g.mean}, {"initial", &g.initial}});
  return all;
}

/// The case in `dtype` on `device`.
inline GruDCase moved(GruDCase c, at::Device device, at::ScalarType dtype) {
  const auto move = [&](at::Tensor& tensor) { tensor = tensor.to(device, dtype); };
  for (auto& [name, tensor] : tensors_of(c.input)) move(*tensor);
  for (auto& [name, tensor] : tensors_of(c.parameters)) move(*tensor);
  move(c.input.mask), move(c.grad_hidden), move(c.grad_last);
  c.input.length = c.input.length.to(device);
  return c;
}

/// What autograd makes of the plain formula in float64, from the case as it is stored.
struct GruDExpected {
  reference::GruDResult result;
  GruDGradients gradients;
};

inline GruDExpected expected_of(const GruDCase& c) {
  GruDInput input = reference::differentiable(c.input);
  GruDParameters parameters = reference::differentiable(c.parameters);
  GruDExpected expected;
  expected.result = reference::gru_d(input, parameters);
  const auto wide = [](const at::Tensor& t) { return t.to(at::kCPU, at::kDouble); };
  const at::Tensor loss = (expected.result.hidden * wide(c.grad_hidden)).sum() +
                          (expected.result.last * wide(c.grad_last)).sum();
  loss.backward();
  const auto grad = [](at::Tensor& leaf) {
    leaf = leaf.grad().defined() ? leaf.grad() : at::zeros_like(leaf);
  };
  for (auto& [name, tensor] : tensors_of(input)) grad(*tensor);
  for (auto& [name, tensor] : tensors_of(parameters)) grad(*tensor);
  expected.gradients = {input.values, input.delta, input.mean, input.initial, parameters};
  return expected;
}

/// |actual - expected| at most `tolerance` of the largest expected (at least 1).
inline void expect_close(const std::string& name, const at::Tensor& actual,
                         const at::Tensor& expected, double tolerance) {
  ASSERT_EQ(actual.sizes(), expected.sizes()) << name;
  if (expected.numel() == 0) return;
  const at::Tensor difference = actual.to(at::kCPU, at::kDouble) - expected.detach();
  const double scale = std::max(1.0, expected.abs().max().item<double>());
  const double worst = difference.abs().max().item<double>();
  EXPECT_LE(worst, tolerance * scale) << name << " is off, its largest value being " << scale;
  EXPECT_FALSE(std::isnan(worst)) << name;
}

inline void expect_gradients(GruDGradients actual, GruDGradients expected, double tolerance) {
  const auto wanted = tensors_of(expected);
  const auto got = tensors_of(actual);
  for (std::size_t i = 0; i < got.size(); ++i) {
    expect_close(got[i].first, *got[i].second, *wanted[i].second, tolerance);
  }
}

inline bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  const auto type = a.element_size() == 4 ? at::kInt : at::kShort;
  return a.scalar_type() == b.scalar_type() && at::equal(a.view(type), b.view(type));
}

}  // namespace salus::kernels
