#include "tests/support/reference/gru_d.h"

#include <ATen/ATen.h>

namespace salus::reference {
namespace {

at::Tensor decay(const at::Tensor& sum) { return (-at::relu(sum)).exp(); }

at::Tensor leaf(const at::Tensor& tensor) {
  return tensor.detach().to(at::kCPU, at::kDouble, false, true).set_requires_grad(true);
}

/// What a step reads, with zeros for what it must not: a NaN times 0 would be NaN.
at::Tensor kept(const at::Tensor& keep, const at::Tensor& values) {
  return at::where(keep, values, at::zeros_like(values));
}

}  // namespace

GruDResult gru_d(const kernels::GruDInput& input, const kernels::GruDParameters& p) {
  const std::int64_t steps = input.values.size(1);
  const auto type = input.values.scalar_type();
  at::Tensor h = input.initial;
  at::Tensor before = input.mean.expand({input.values.size(0), input.values.size(2)});
  std::vector<at::Tensor> hidden;
  for (std::int64_t t = 0; t < steps; ++t) {
    const at::Tensor running = (input.length > t).unsqueeze(1);
    const at::Tensor observed = at::logical_and(input.mask.select(1, t) != 0, running);
    const at::Tensor m = observed.to(type);
    const at::Tensor value = kept(observed, input.values.select(1, t));
    const at::Tensor delta = kept(running, input.delta.select(1, t));
    const at::Tensor gamma_x = decay(p.input_decay_weight * delta + p.input_decay_bias);
    const at::Tensor gamma_h =
        decay(at::matmul(delta, p.hidden_decay_weight.t()) + p.hidden_decay_bias);
    before = at::where(observed, value, before);
    const at::Tensor x = m * value + (1 - m) * (gamma_x * before + (1 - gamma_x) * input.mean);
    const at::Tensor decayed = gamma_h * h;
    const auto of_input = (at::matmul(at::cat({x, m}, 1), p.weight_ih.t()) + p.bias_ih).chunk(3, 1);
    const auto of_state = (at::matmul(decayed, p.weight_hh.t()) + p.bias_hh).chunk(3, 1);
    const at::Tensor r = at::sigmoid(of_input[0] + of_state[0]);
    const at::Tensor z = at::sigmoid(of_input[1] + of_state[1]);
    const at::Tensor n = at::tanh(of_input[2] + r * of_state[2]);
    h = at::where(running, (1 - z) * n + z * decayed, h);
    hidden.push_back(h);
  }
  const at::Tensor all = steps > 0 ? at::stack(hidden, 1)
                                   : at::zeros({h.size(0), 0, h.size(1)}, input.initial.options());
  return {all, h};
}

kernels::GruDInput differentiable(const kernels::GruDInput& input) {
  kernels::GruDInput copy = input;
  copy.mask = input.mask.to(at::kCPU, at::kDouble);
  copy.length = input.length.cpu();
  for (at::Tensor* tensor : {&copy.values, &copy.delta, &copy.mean, &copy.initial}) {
    *tensor = leaf(*tensor);
  }
  return copy;
}

kernels::GruDParameters differentiable(const kernels::GruDParameters& parameters) {
  kernels::GruDParameters copy = parameters;
  for (at::Tensor* tensor :
       {&copy.input_decay_weight, &copy.input_decay_bias, &copy.hidden_decay_weight,
        &copy.hidden_decay_bias, &copy.weight_ih, &copy.weight_hh, &copy.bias_ih, &copy.bias_hh}) {
    *tensor = leaf(*tensor);
  }
  return copy;
}

}  // namespace salus::reference
