#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "engine/core/model.h"
#include "engine/core/task.h"
#include "engine/train/checkpoint.h"
#include "engine/train/samples.h"
#include "engine/train/train_config.h"

namespace salus::train {

struct TrainerOptions {
  std::string out_dir;         ///< logs and checkpoints/; "" = nothing is written
  std::string device = "cpu";  ///< or "cuda:0"
  bool resume = false;         ///< go on from out_dir/checkpoints/last.safetensors if it is there
  bool fast_dev_run = false;   ///< one epoch of one training and one validation batch
  /// Asked after every optimiser step; true = save and return. SIGTERM and SIGINT do the same.
  std::function<bool(std::int64_t step)> stop;
  std::function<void(const std::string&)> say;  ///< one line per event; default: stderr
};

struct FitResult {
  bool finished = false;       ///< false: stopped by request, to be resumed
  int signal = 0;              ///< SIGTERM or SIGINT if that stopped it
  bool stopped_early = false;  ///< no improvement for early_stopping.patience epochs
  bool boosted = false;        ///< by an Estimator: an epoch is a round
  std::int64_t steps = 0;
  std::int64_t best_epoch = -1;
  double best_metric = 0;
  History history;
  std::map<std::string, at::Tensor> best_weights;  ///< averaged if there is EMA; CPU, row-major
};

/// What a run that stands at `state` has come to. \param signal  that stopped it, or 0.
FitResult result_of(const RunState& state, std::map<std::string, at::Tensor> weights, int signal);

/// Trains a model on one device.
///
/// The order of cases, augmentation and mixup depend on (seed, epoch, position) only, and all other
/// state is in the checkpoint: a run that was stopped after any step and resumed ends, on the CPU
/// with the same number of threads, with the same bits as one that was not.
class Trainer {
 public:
  /// \throws UsageError for a monitor that the task has not, or a freeze that names nothing.
  Trainer(std::shared_ptr<Model> model, const Task& task, const TrainConfig& config,
          TrainerOptions options);
  ~Trainer();

  /// Trains, validates after every epoch and keeps the best weights by the monitored metric.
  ///
  /// \throws Error if a loss is NaN (naming the samples' positions), a case cannot be loaded, the
  ///         GPU's memory does not suffice (saying what would fit), a checkpoint cannot be written
  ///         (the one before stays) or does not belong to this run.
  FitResult fit(const Subset& train, const Subset& valid);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace salus::train
