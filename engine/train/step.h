#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/model.h"
#include "engine/train/ema.h"
#include "engine/train/losses.h"
#include "engine/train/optimizer.h"
#include "engine/train/scaler.h"
#include "engine/train/schedule.h"

namespace salus::train {

/// One optimiser step of a model: forward and backward of one or more batches, then unscaling,
/// clipping, the update and the moving average. Nothing here waits for the device.
class TrainStep {
 public:
  TrainStep(Model& model, Loss loss, const TrainConfig& config, const at::Device& device);

  /// Adds a batch's gradients, times `share` (1 / number of batches of this step).
  /// \param draw  number of this batch in the run: mixup's random number depends on seed and it.
  /// \returns the loss, scalar on the device.
  at::Tensor backward(const Batch& batch, double share, std::int64_t draw);

  /// Changes the weights by the gradients and drops these. `step` counts updates from 0.
  void update(double lr, std::int64_t step);

  /// Training mode, but evaluation mode for frozen modules: their statistics stay too.
  void train_mode();

  const Loss& loss() const { return loss_; }
  Ema* ema() { return ema_ ? &*ema_ : nullptr; }
  Optimizer& optimizer() { return optimizer_; }
  GradScaler* scaler() { return scaler_ ? &*scaler_ : nullptr; }

 private:
  Batch mixed(const Batch& batch, std::int64_t draw) const;

  Model& model_;
  Loss loss_;
  TrainConfig config_;
  at::Device device_;
  Optimizer optimizer_;
  std::optional<GradScaler> scaler_;
  std::optional<Ema> ema_;
};

}  // namespace salus::train
