#include "models/image/norm_act.h"

#include "kernels/batch_norm_act.h"

namespace salus::models {
namespace {

using kernels::BatchNormOutput;
using kernels::BatchNormParameters;
using kernels::NormActivation;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// What one call does besides its tensors.
struct How {
  double eps, momentum;
  NormActivation activation;
};

/// Nobody but the caller holds the tensor's memory, and no value lies in it twice.
bool is_ours_alone(const at::Tensor& tensor) {
  return tensor.use_count() == 1 && tensor.storage().use_count() == 1 &&
         tensor.is_non_overlapping_and_dense();
}

struct NormActFunction : torch::autograd::Function<NormActFunction> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const std::optional<at::Tensor>& added, const at::Tensor& weight,
                            const at::Tensor& bias, const at::Tensor& running_mean,
                            const at::Tensor& running_var, const How& how) {
    const at::Tensor residual = added.value_or(at::Tensor());
    const BatchNormOutput out =
        kernels::batch_norm_act(x, residual, {weight, bias, how.eps}, how.activation, running_mean,
                                running_var, how.momentum);
    // y is kept only where the gradient reads it: the next layer often does not.
    const bool keep_y = residual.defined() && how.activation == NormActivation::kRelu;
    context->save_for_backward(
        {x, weight, bias, out.mean, out.rstd, keep_y ? out.y : at::Tensor()});
    context->saved_data["eps"] = how.eps;
    context->saved_data["activation"] = static_cast<std::int64_t>(how.activation);
    context->saved_data["residual"] = residual.defined();
    return out.y;
  }

  static variable_list backward(AutogradContext* context, variable_list& gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(),
                "batch normalisation of training cannot be differentiated twice.");
    const variable_list saved = context->get_saved_variables();
    const at::Tensor dy = std::move(gradients[0]);
    const BatchNormOutput forward{saved[5], saved[3], saved[4]};
    const BatchNormParameters parameters{saved[1], saved[2], context->saved_data["eps"].toDouble()};
    const auto activation = static_cast<NormActivation>(context->saved_data["activation"].toInt());
    const auto made = kernels::batch_norm_act_backward(dy, is_ours_alone(dy), saved[0], forward,
                                                       context->saved_data["residual"].toBool(),
                                                       parameters, activation);
    return {made.x, made.residual, made.weight, made.bias, {}, {}, {}};
  }
};

bool has_kernel(Activation activation, const at::Tensor& residual) {
  switch (activation) {
    case Activation::kNone:
    case Activation::kRelu:
      return true;
    case Activation::kSilu:
      return !residual.defined();
    case Activation::kSigmoid:
      break;
  }
  return false;
}

NormActivation kernel_activation(Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      return NormActivation::kRelu;
    case Activation::kSilu:
      return NormActivation::kSilu;
    default:
      return NormActivation::kNone;
  }
}

bool fuses(const torch::nn::BatchNorm2dImpl& norm, const at::Tensor& x, Activation activation,
           const at::Tensor& residual) {
  const bool same = !residual.defined() ||
                    (residual.scalar_type() == x.scalar_type() && residual.sizes() == x.sizes());
  return norm.is_training() && norm.options.track_running_stats() && norm.weight.defined() &&
         norm.weight.scalar_type() == at::kFloat && same && has_kernel(activation, residual) &&
         kernels::batch_norm_act_takes(x) && x.is_contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace

at::Tensor norm_act(torch::nn::BatchNorm2dImpl& norm, const at::Tensor& x, Activation activation,
                    const at::Tensor& residual) {
  if (!fuses(norm, x, activation, residual)) {
    at::Tensor y = norm.forward(x);
    if (residual.defined()) y = y.add_(residual);
    return activate(std::move(y), activation);
  }
  norm.num_batches_tracked += 1;
  const auto momentum = norm.options.momentum();
  const double part = momentum ? *momentum : 1.0 / norm.num_batches_tracked.item<double>();
  const auto added = residual.defined() ? std::make_optional(residual) : std::nullopt;
  return NormActFunction::apply(x, added, norm.weight, norm.bias, norm.running_mean,
                                norm.running_var,
                                How{norm.options.eps(), part, kernel_activation(activation)});
}

}  // namespace salus::models
