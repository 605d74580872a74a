#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "engine/core/model.h"
#include "engine/core/task.h"
#include "engine/train/history.h"
#include "engine/train/losses.h"
#include "engine/train/samples.h"

namespace salus::train {

/// Scores of a subset, in the order of its positions; float32 on the CPU. With labels a step, a row for
/// each labelled step.
struct Scores {
  at::Tensor logits;   ///< [rows, L]
  at::Tensor targets;  ///< [rows, L]
};

/// Scores a subset in evaluation mode, without gradients; the model's mode is restored.
Scores score(Model& model, const Samples& samples, std::int64_t batch_size,
             const at::Device& device, Precision precision);

/// Metrics of a task on logits, at the threshold 0.5; NaN where one is not defined.
///
/// binary: loss, auroc, auprc, accuracy, balanced_accuracy, f1, brier.
/// multilabel: the same, each the mean over the labels on which it is defined.
/// multiclass: loss, auroc and auprc (one against the rest, mean over classes), accuracy,
/// balanced_accuracy (mean recall of the classes).
/// regression: loss, mae, rmse, r2, in the unit of the targets: of next values their z-score, so that
/// variables of different units count alike.
Metrics validation_metrics(const Task& task, const Loss& loss, const Scores& scores);

/// Their names, in that order.
std::vector<std::string> validation_metric_names(const Task& task);

/// \throws UsageError, naming the choices, if `monitor` is not one of them.
void require_metric(const Task& task, const std::string& monitor);

}  // namespace salus::train
