#pragma once

#include <ATen/core/Tensor.h>

#include "engine/core/task.h"
#include "engine/train/train_config.h"

namespace salus::train {

/// The training loss of a task. A target that is NaN (not known) has no part in value or gradient;
/// a batch without any known target gives 0. Gradients are finite for every finite logit.
///
/// binary, multilabel: binary cross-entropy with logits, -w (y log p + (1 - y) log(1 - p)),
/// averaged over the known targets; w is the weight of the class. Smoothing: y' = (1 - s) y + s
/// / 2. multiclass: cross-entropy of the softmax, sum of w_c y'_c (-log p_c) over sum of w_c y_c,
/// with y' = (1 - s) y + s / C (torch's CrossEntropyLoss); a case with a NaN anywhere is not known.
/// focal (Lin et al. 2017): each -log p is multiplied by (1 - p)^gamma.
/// regression: mean of (x - y)^2, |x - y|, or Huber's function with delta 1.
class Loss {
 public:
  /// \param train_targets  float32 [N, L], all training targets: for class_weights = "balanced"
  ///        (n / (classes x n of the class)), and to skip masking where nothing is unknown.
  /// \throws Error if balanced weights are asked for and a class has no case.
  Loss(const Task& task, const LossConfig& config, const at::Tensor& train_targets,
       const at::Device& device);

  /// \param logits  [N, L], any floating type; computed in float32. Of labels a step [N, T, L], every
  ///                step a row; T may be less than the target's where no case is longer.
  /// \param target  float32 [N, L] or [N, T, L] on the same device; soft targets (mixup) are allowed.
  /// \returns scalar float32.
  at::Tensor operator()(const at::Tensor& logits, const at::Tensor& target) const;

  /// The same loss on the CPU, for targets any of which may be unknown: for validation.
  Loss for_validation() const;

  /// Class weights in use: [2, L] rows negative and positive, multiclass [L]; undefined if all 1.
  const at::Tensor& class_weights() const { return weights_; }

 private:
  at::Tensor of_rows(const at::Tensor& logits, const at::Tensor& target) const;
  at::Tensor binary(const at::Tensor& logits, const at::Tensor& target) const;
  at::Tensor multiclass(const at::Tensor& logits, const at::Tensor& target) const;
  at::Tensor regression(const at::Tensor& values, const at::Tensor& target) const;

  Task task_;
  LossConfig config_;
  bool masked_ = false;
  at::Tensor weights_;
};

}  // namespace salus::train
