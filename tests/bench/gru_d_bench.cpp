#include <torch/torch.h>

#include "models/vitals/gru_d_function.h"
#include "tests/bench/benches.h"
#include "tests/bench/worker.h"

namespace salus::bench {
namespace {

constexpr std::int64_t kSteps = 48, kVariables = 37, kUnits = 64;

/// scale * sin(0.37 i + phase), the same values as in peers/gru_d.py.
at::Tensor formula(at::IntArrayRef shape, double phase, double scale) {
  const auto count = c10::multiply_integers(shape);
  return ((at::arange(count, at::kDouble) * 0.37 + phase).sin() * scale).to(at::kFloat).view(shape);
}

kernels::GruDInput formula_input(std::int64_t batch) {
  const auto index = at::arange(batch * kSteps * kVariables, at::kLong);
  return {
      .values = formula({batch, kSteps, kVariables}, 0, 1),
      .mask = ((index * 7919).remainder(10) < 3).to(at::kFloat).view({batch, kSteps, kVariables}),
      .delta = (index.remainder(7).to(at::kFloat) / 4).view({batch, kSteps, kVariables}),
      .length = at::full({batch}, kSteps, at::kLong),
      .mean = at::zeros({kVariables}),
      .initial = at::zeros({batch, kUnits})};
}

kernels::GruDParameters formula_parameters() {
  return {.input_decay_weight = formula({kVariables}, 1, 0.5),
          .input_decay_bias = formula({kVariables}, 2, 0.1),
          .hidden_decay_weight = formula({kUnits, kVariables}, 3, 0.1),
          .hidden_decay_bias = formula({kUnits}, 4, 0.1),
          .weight_ih = formula({3 * kUnits, 2 * kVariables}, 5, 0.1),
          .weight_hh = formula({3 * kUnits, kUnits}, 6, 0.1),
          .bias_ih = formula({3 * kUnits}, 7, 0.1),
          .bias_hh = formula({3 * kUnits}, 8, 0.1)};
}

}  // namespace

void bench_gru_d(const Options& options) {
  const at::Device device(options.device);
  kernels::GruDInput input = formula_input(options.batch);
  for (at::Tensor* tensor :
       {&input.values, &input.mask, &input.delta, &input.length, &input.mean, &input.initial}) {
    *tensor = tensor->to(device);
  }
  kernels::GruDParameters p = formula_parameters();
  const std::vector<at::Tensor*> parameters = {&p.input_decay_weight,
                                               &p.input_decay_bias,
                                               &p.hidden_decay_weight,
                                               &p.hidden_decay_bias,
                                               &p.weight_ih,
                                               &p.weight_hh,
                                               &p.bias_ih,
                                               &p.bias_hh};
  for (at::Tensor* parameter : parameters) *parameter = parameter->to(device).requires_grad_(true);
  const bool gpu = !device.is_cpu();
  at::Tensor loss;
  const auto work = [&] {
    for (at::Tensor* parameter : parameters) parameter->mutable_grad().reset();
    loss = models::gru_d(input, p).hidden.square().mean();
    loss.backward();
    if (gpu) torch::cuda::synchronize();
  };
  work();
  std::vector<double> check = {loss.item<double>()};
  for (const at::Tensor* parameter : parameters) {
    check.push_back(parameter->grad().norm().item<double>());
  }
  serve({{"check", check}}, static_cast<double>(options.batch), work);
}

}  // namespace salus::bench
