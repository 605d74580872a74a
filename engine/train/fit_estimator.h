#pragma once

#include "engine/core/estimator.h"
#include "engine/train/trainer.h"

namespace salus::train {

/// What Trainer::fit() is for networks: fits `model`, which is `estimator` too, to the training part and
/// keeps the round that the monitored metric likes best. A row of the log is a round. A finished fit is
/// kept as checkpoints/last.safetensors; one that was interrupted begins anew.
///
/// Of [train] it reads seed, monitor and batch_size (of a trial run); the rest is for networks.
///
/// \throws UsageError for class weights, or a monitor that the task has not.
FitResult fit_estimator(Estimator& estimator, Model& model, const Task& task,
                        const TrainConfig& config, const TrainerOptions& options,
                        const Subset& train, const Subset& valid);

}  // namespace salus::train
