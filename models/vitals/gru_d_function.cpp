#include "models/vitals/gru_d_function.h"

#include <torch/torch.h>

#include <array>

#include "models/wants_gradient.h"

namespace salus::models {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The order in which tensors go through autograd.
enum Argument { kValues, kMask, kDelta, kLength, kMean, kInitial, kFirstParameter };
constexpr std::size_t kParameters = 8;

std::array<at::Tensor, kParameters> listed(const kernels::GruDParameters& p) {
  return {p.input_decay_weight,
          p.input_decay_bias,
          p.hidden_decay_weight,
          p.hidden_decay_bias,
          p.weight_ih,
          p.weight_hh,
          p.bias_ih,
          p.bias_hh};
}

kernels::GruDInput input_of(at::TensorList all) {
  return {all[kValues], all[kMask], all[kDelta], all[kLength], all[kMean], all[kInitial]};
}

kernels::GruDParameters parameters_of(at::TensorList all) {
  const auto parameter = [&](std::size_t i) { return all[kFirstParameter + i]; };
  return {parameter(0), parameter(1), parameter(2), parameter(3),
          parameter(4), parameter(5), parameter(6), parameter(7)};
}

class GruDFunction : public torch::autograd::Function<GruDFunction> {
 public:
  // A TensorList: apply() looks for tensors in nothing else than that.
  static variable_list forward(AutogradContext* context, at::TensorList all, bool save) {
    kernels::GruDOutput out = kernels::gru_d_forward(input_of(all), parameters_of(all), save);
    context->set_materialize_grads(false);
    if (save) {
      variable_list kept = all.vec();
      kept.push_back(out.saved);
      context->save_for_backward(std::move(kept));
    }
    return {out.hidden, out.last};
  }

  static variable_list backward(AutogradContext* context, const variable_list& of_output) {
    TORCH_CHECK(!at::GradMode::is_enabled(),
                "gru_d: a gradient of its gradient (create_graph) cannot be had.");
    variable_list all = context->get_saved_variables();
    const at::Tensor saved = all.back();
    all.pop_back();
    kernels::GruDGradients g = kernels::gru_d_backward(
        input_of(all), parameters_of(all), saved, of_output[0], of_output[1],
        context->needs_input_grad(kValues), context->needs_input_grad(kDelta));
    variable_list gradients = {g.values, {}, g.delta, {}, g.mean, g.initial};
    for (const at::Tensor& gradient : listed(g.parameters)) gradients.push_back(gradient);
    gradients.emplace_back();  // `save`
    return gradients;
  }
};

}  // namespace

GruDStates gru_d(const kernels::GruDInput& input, const kernels::GruDParameters& parameters) {
  variable_list all = {input.values, input.mask, input.delta,
                       input.length, input.mean, input.initial};
  for (const at::Tensor& parameter : listed(parameters)) all.push_back(parameter);
  const variable_list states = GruDFunction::apply(at::TensorList(all), wants_gradient(all));
  return {states[0], states[1]};
}

}  // namespace salus::models
