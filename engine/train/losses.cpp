#include "engine/train/losses.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include "engine/io/error.h"

namespace salus::train {
namespace {

at::Tensor column(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble).to(at::kFloat);
}

/// Weights [2, L] of negatives and positives so that both classes count alike in each label.
at::Tensor balanced_binary(const at::Tensor& targets, const Task& task) {
  const auto known = at::isnan(targets).logical_not();
  const auto positives = at::nan_to_num(targets).gt(0.5).logical_and(known).sum(0).to(at::kDouble);
  const auto total = known.sum(0).to(at::kDouble);
  const auto negatives = total - positives;
  const auto none = positives.eq(0).logical_or(negatives.eq(0)).nonzero();
  if (none.size(0) > 0) {
    throw Error(fmt::format(
        "[train.loss] class_weights = \"balanced\" needs positive and negative training cases of "
        "\"{}\"; give the weights as numbers, or mend the split.",
        task.labels[none[0][0].item<std::int64_t>()]));
  }
  return at::stack({total / (2 * negatives), total / (2 * positives)}).to(at::kFloat);
}

at::Tensor balanced_classes(const at::Tensor& targets, const Task& task) {
  const auto known = at::isnan(targets).any(1).logical_not();
  const auto classes = targets.index({known}).argmax(1);
  const auto counts = at::bincount(classes, {}, task.outputs()).to(at::kDouble);
  const auto none = counts.eq(0).nonzero();
  if (none.size(0) > 0) {
    throw Error(fmt::format(
        "[train.loss] class_weights = \"balanced\" needs training cases of every class; there is "
        "none of \"{}\".",
        task.labels[none[0][0].item<std::int64_t>()]));
  }
  return (counts.sum() / (static_cast<double>(task.outputs()) * counts)).to(at::kFloat);
}

at::Tensor given_weights(const Task& task, const std::vector<double>& weights) {
  const auto values = column(weights);
  if (task.kind == TaskKind::kMulticlass) return values;
  if (task.kind == TaskKind::kBinary) return values.view({2, 1});
  return at::stack({at::ones_like(values), values});
}

}  // namespace

Loss::Loss(const Task& task, const LossConfig& config, const at::Tensor& train_targets,
           const at::Device& device)
    : task_(task), config_(config), masked_(at::isnan(train_targets).any().item<bool>()) {
  if (config.balanced) {
    weights_ = task.kind == TaskKind::kMulticlass ? balanced_classes(train_targets, task)
                                                  : balanced_binary(train_targets, task);
  } else if (!config.class_weights.empty()) {
    weights_ = given_weights(task, config.class_weights);
  }
  if (weights_.defined()) weights_ = weights_.to(device);
}

Loss Loss::for_validation() const {
  Loss copy = *this;
  copy.masked_ = true;
  if (weights_.defined()) copy.weights_ = weights_.cpu();
  return copy;
}

at::Tensor Loss::operator()(const at::Tensor& logits, const at::Tensor& target) const {
  if (logits.dim() == 2) return of_rows(logits, target);
  const at::Tensor steps = target.narrow(1, 0, logits.size(1));
  Loss masked = *this;
  masked.masked_ = true;  // shorter cases have no labels at the end
  return masked.of_rows(logits.flatten(0, 1), steps.flatten(0, 1));
}

at::Tensor Loss::of_rows(const at::Tensor& logits, const at::Tensor& target) const {
  const auto values = logits.to(at::kFloat);
  switch (task_.kind) {
    case TaskKind::kBinary:
    case TaskKind::kMultilabel:
      return binary(values, target);
    case TaskKind::kMulticlass:
      return multiclass(values, target);
    case TaskKind::kRegression:
      return regression(values, target);
  }
  return {};
}

at::Tensor Loss::binary(const at::Tensor& logits, const at::Tensor& target) const {
  const bool focal = config_.kind == LossConfig::Kind::kFocal;
  auto y = masked_ ? at::nan_to_num(target) : target;
  if (config_.label_smoothing > 0) {
    y = y * (1 - config_.label_smoothing) + 0.5 * config_.label_smoothing;
  }
  if (!focal && !weights_.defined() && !masked_) {
    return at::binary_cross_entropy_with_logits(logits, y);
  }
  const auto log_p = at::log_sigmoid(logits);
  const auto log_q = at::log_sigmoid(-logits);
  auto positive = -y * log_p;
  auto negative = -(1 - y) * log_q;
  if (focal) {
    // (1 - p)^g = exp(g log(1 - p)), finite with its gradient where a power of 0 is not.
    positive = positive * (config_.focal_gamma * log_q).exp();
    negative = negative * (config_.focal_gamma * log_p).exp();
  }
  if (weights_.defined()) {
    positive = positive * weights_[1];
    negative = negative * weights_[0];
  }
  auto loss = positive + negative;
  if (!masked_) return loss.mean();
  const auto known = at::isnan(target).logical_not();
  return (loss * known).sum() / known.sum().clamp_min(1);
}

at::Tensor Loss::multiclass(const at::Tensor& logits, const at::Tensor& target) const {
  auto y = target;
  if (masked_) {
    const auto known = at::isnan(target).any(1, /*keepdim=*/true).logical_not();
    y = at::where(known, target, at::zeros({}, target.options()));
  }
  const auto hard = weights_.defined() ? y * weights_ : y;
  const auto total = hard.sum();
  if (config_.label_smoothing > 0) {
    const auto row = y.sum(1, /*keepdim=*/true);  // 0 where not known
    y = y * (1 - config_.label_smoothing) +
        row * (config_.label_smoothing / static_cast<double>(task_.outputs()));
  }
  const auto log_p = at::log_softmax(logits, 1);
  auto loss = -y * log_p;
  if (weights_.defined()) loss = loss * weights_;
  if (config_.kind == LossConfig::Kind::kFocal) {
    // The clamp keeps the gradient of a power finite at p = 1; its own gradient there is 0.
    const auto rest = (-at::expm1(log_p)).clamp_min(1e-8);
    loss = loss * rest.pow(config_.focal_gamma);
  }
  return loss.sum() / at::where(total.gt(0), total, at::ones_like(total));
}

at::Tensor Loss::regression(const at::Tensor& values, const at::Tensor& target) const {
  const auto y = masked_ ? at::where(at::isnan(target), values.detach(), target) : target;
  at::Tensor loss;
  switch (config_.kind) {
    case LossConfig::Kind::kMae:
      loss = at::l1_loss(values, y, at::Reduction::None);
      break;
    case LossConfig::Kind::kHuber:
      loss = at::huber_loss(values, y, at::Reduction::None);
      break;
    default:
      loss = at::mse_loss(values, y, at::Reduction::None);
  }
  if (!masked_) return loss.mean();
  return loss.sum() / at::isnan(target).logical_not().sum().clamp_min(1);
}

}  // namespace salus::train
