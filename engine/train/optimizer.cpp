#include "engine/train/optimizer.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include "engine/io/error.h"

namespace salus::train {
namespace {

using Kind = OptimizerConfig::Kind;

/// Picks the tensors of those parameters that have a gradient.
struct Selection {
  std::vector<at::Tensor> parameters, gradients, first, second, steps;
};

}  // namespace

Optimizer::Optimizer(NamedTensors parameters, const OptimizerConfig& config) : config_(config) {
  TORCH_CHECK(!parameters.empty(), "an optimiser needs parameters");
  groups_.resize(2);
  groups_[0].weight_decay = config.weight_decay;
  const bool moments = config.kind != Kind::kSgd;
  for (auto& [name, parameter] : parameters) {
    // Norm scales, norm shifts and biases are the parameters of one dimension.
    const bool decays = parameter.dim() > 1 || config.decay_norm_and_bias;
    Group& group = groups_[decays ? 0 : 1];
    group.names.push_back(name);
    group.parameters.push_back(parameter);
    if (moments || config.momentum > 0) group.first.push_back(at::zeros_like(parameter));
    if (moments) group.second.push_back(at::zeros_like(parameter));
  }
  step_ = at::zeros({}, parameters.front().second.options().dtype(at::kFloat).requires_grad(false));
}

void Optimizer::step(double lr, const at::Tensor& found_inf) {
  at::NoGradGuard guard;
  step_.add_(1);
  if (found_inf.defined()) step_.sub_(found_inf.squeeze());
  for (Group& group : groups_) step_group(group, lr, found_inf);
}

void Optimizer::step_group(Group& group, double lr, const at::Tensor& found_inf) {
  Selection use;
  for (std::size_t i = 0; i < group.parameters.size(); ++i) {
    const at::Tensor& gradient = group.parameters[i].grad();
    if (!gradient.defined()) continue;
    use.parameters.push_back(group.parameters[i]);
    use.gradients.push_back(gradient);
    use.steps.push_back(step_);
    if (!group.first.empty()) use.first.push_back(group.first[i]);
    if (!group.second.empty()) use.second.push_back(group.second[i]);
  }
  if (use.parameters.empty()) return;
  const auto inf = found_inf.defined() ? std::make_optional(found_inf) : std::nullopt;
  const double decay = group.weight_decay;
  switch (config_.kind) {
    case Kind::kSgd:
      // Buffers begin at 0, so the first step needs no case of its own: 0 * momentum + gradient.
      at::_fused_sgd_(use.parameters, use.gradients, use.first, decay, config_.momentum, lr,
                      /*dampening=*/0, config_.nesterov, /*maximize=*/false,
                      /*is_first_step=*/false, /*grad_scale=*/{}, inf);
      break;
    case Kind::kAdam:
      at::_fused_adam_(use.parameters, use.gradients, use.first, use.second, {}, use.steps, lr,
                       config_.beta1, config_.beta2, decay, config_.eps, /*amsgrad=*/false,
                       /*maximize=*/false, /*grad_scale=*/{}, inf);
      break;
    case Kind::kAdamW:
      at::_fused_adamw_(use.parameters, use.gradients, use.first, use.second, {}, use.steps, lr,
                        config_.beta1, config_.beta2, decay, config_.eps, /*amsgrad=*/false,
                        /*maximize=*/false, /*grad_scale=*/{}, inf);
      break;
  }
}

void Optimizer::zero_grad() {
  for (Group& group : groups_) {
    for (at::Tensor& parameter : group.parameters) parameter.mutable_grad().reset();
  }
}

std::vector<at::Tensor> Optimizer::gradients() const {
  std::vector<at::Tensor> gradients;
  for (const Group& group : groups_) {
    for (const at::Tensor& parameter : group.parameters) {
      if (parameter.grad().defined()) gradients.push_back(parameter.grad());
    }
  }
  return gradients;
}

at::Tensor Optimizer::clip_norm(double limit) {
  at::NoGradGuard guard;
  const auto gradients = this->gradients();
  if (gradients.empty()) return at::zeros({}, step_.options());
  const auto norm = at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients)));
  at::_foreach_mul_(gradients, (limit / (norm + 1e-6)).clamp_max(1.0));
  return norm;
}

std::map<std::string, at::Tensor> Optimizer::state() const {
  std::map<std::string, at::Tensor> state{{"step", step_}};
  const bool moments = config_.kind != Kind::kSgd;
  for (const Group& group : groups_) {
    for (std::size_t i = 0; i < group.names.size(); ++i) {
      if (!group.first.empty()) {
        state[(moments ? "exp_avg." : "momentum.") + group.names[i]] = group.first[i];
      }
      if (!group.second.empty()) state["exp_avg_sq." + group.names[i]] = group.second[i];
    }
  }
  return state;
}

void Optimizer::load_state(const std::map<std::string, at::Tensor>& state) {
  at::NoGradGuard guard;
  for (auto& [name, tensor] : this->state()) {
    const auto found = state.find(name);
    if (found == state.end() || found->second.sizes() != tensor.sizes()) {
      throw Error(fmt::format(
          "The checkpoint has no optimiser state that fits \"{}\": it is of another model or "
          "optimiser. Start without --resume, or with the configuration of the run.",
          name));
    }
    tensor.copy_(found->second);
  }
}

}  // namespace salus::train
