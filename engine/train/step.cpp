#include "engine/train/step.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <random>

#include "engine/io/error.h"
#include "engine/train/precision.h"

namespace salus::train {
namespace {

bool frozen(const std::string& name, const std::vector<std::string>& prefixes) {
  for (const std::string& prefix : prefixes) {
    if (name == prefix || name.starts_with(prefix + ".")) return true;
  }
  return false;
}

/// Freezes what the configuration names. \returns the parameters that are left to train.
NamedTensors trainable(Model& model, const std::vector<std::string>& prefixes) {
  std::vector<std::string> names;
  for (const auto& item : model.named_modules("", false)) names.push_back(item.key());
  for (const auto& item : model.named_parameters()) names.push_back(item.key());
  for (const std::string& prefix : prefixes) {
    if (std::find(names.begin(), names.end(), prefix) != names.end()) continue;
    const std::string near = nearest(prefix, names);
    throw UsageError(fmt::format("[train] freeze names \"{}\", which the model does not have{}",
                                 prefix, near.empty() ? "." : "; did you mean \"" + near + "\"?"));
  }
  NamedTensors parameters;
  for (const auto& item : model.named_parameters()) {
    at::Tensor parameter = item.value();
    parameter.requires_grad_(!frozen(item.key(), prefixes));
    if (parameter.requires_grad()) parameters.emplace_back(item.key(), parameter);
  }
  if (parameters.empty()) throw UsageError("[train] freeze leaves nothing to train.");
  return parameters;
}

/// A draw of Beta(alpha, alpha) that depends on (seed, draw) only, so that a resumed run has the
/// same.
double beta_draw(double alpha, std::uint64_t seed, std::int64_t draw) {
  std::seed_seq sequence{seed, seed >> 32, static_cast<std::uint64_t>(draw)};
  std::mt19937_64 random(sequence);
  std::gamma_distribution<double> gamma(alpha, 1.0);
  const double a = gamma(random), b = gamma(random);
  return a + b > 0 ? a / (a + b) : 0.5;
}

}  // namespace

TrainStep::TrainStep(Model& model, Loss loss, const TrainConfig& config, const at::Device& device)
    : model_(model),
      loss_(std::move(loss)),
      config_(config),
      device_(device),
      optimizer_(trainable(model, config.freeze), config.optimizer) {
  if (config.precision == Precision::kFloat16) scaler_.emplace(device);
  if (config.ema_decay > 0) ema_.emplace(model, config.ema_decay);
}

void TrainStep::train_mode() {
  model_.train();
  if (config_.freeze.empty()) return;
  for (const auto& item : model_.named_modules("", false)) {
    if (frozen(item.key(), config_.freeze)) item.value()->eval();
  }
}

Batch TrainStep::mixed(const Batch& batch, std::int64_t draw) const {
  // The order of a batch is random already: each case is mixed with its neighbour.
  const double share = beta_draw(config_.mixup, config_.seed, draw);
  const auto mix = [share](const at::Tensor& values) {
    return values * share + at::roll(values, 1, 0) * (1 - share);
  };
  Batch out = batch;
  const auto image = out.inputs.find("image");
  if (image == out.inputs.end()) return out;
  image->second = mix(image->second);
  out.target = mix(out.target);
  return out;
}

at::Tensor TrainStep::backward(const Batch& batch, double share, std::int64_t draw) {
  at::Tensor loss;
  {
    const AutocastScope autocast(device_, config_.precision);
    if (config_.mixup > 0) {
      const Batch inputs = mixed(batch, draw);
      loss = loss_(model_.forward(inputs), inputs.target);
    } else {
      loss = loss_(model_.forward(batch), batch.target);
    }
  }
  at::Tensor root = share == 1 ? loss : loss * share;
  if (scaler_) root = scaler_->scale(root);
  root.backward();
  return loss.detach();
}

void TrainStep::update(double lr, std::int64_t step) {
  at::Tensor found_inf;
  if (scaler_) found_inf = scaler_->unscale(optimizer_.gradients());
  if (config_.clip_norm > 0) optimizer_.clip_norm(config_.clip_norm);
  optimizer_.step(lr, found_inf);
  if (scaler_) scaler_->update();
  optimizer_.zero_grad();
  if (ema_) ema_->update(step);
}

}  // namespace salus::train
