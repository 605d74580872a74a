#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "engine/train/history.h"
#include "engine/train/schedule.h"

namespace salus::train {

/// Weights that were among the best, and where they are.
struct BestEntry {
  std::int64_t epoch = 0;
  double metric = 0;
  std::string file;  ///< inside the folder of checkpoints
};

/// Where a run stands, beside its tensors.
struct RunState {
  std::int64_t epoch = 0;    ///< the one that is running, counted from 0
  std::int64_t batch = 0;    ///< batches of it that are done (the sampler's position)
  std::int64_t step = 0;     ///< optimiser steps so far
  double seconds = 0;        ///< training time so far
  double epoch_seconds = 0;  ///< of the epoch that is running
  Schedule::State schedule;
  double early_best = 0;
  bool has_early_best = false;
  std::int64_t early_bad_epochs = 0;
  bool finished = false;   ///< all epochs are done, or it stopped early
  std::int64_t cases = 0;  ///< training cases and batch size: another number is another run
  std::int64_t batch_size = 0;
  History history;
  std::vector<BestEntry> best;  ///< best first
};

/// Everything that a run needs to go on as if it had never stopped. Tensors by name: "model.*",
/// "ema.*", "optimizer.*", "scaler.*", "rng.cpu", "rng.cuda", "loss_sum".
struct Checkpoint {
  RunState state;
  std::map<std::string, at::Tensor> tensors;

  /// Tensors whose names begin with `prefix`, without it.
  std::map<std::string, at::Tensor> part(const std::string& prefix) const;
  void add(const std::string& prefix, const std::map<std::string, at::Tensor>& tensors);
};

/// One safetensors file, its metadata holding the state as JSON and a CRC-32C of everything.
/// Written atomically: after a failure the file of before is still there, whole.
/// \throws Error saying so.
void save_checkpoint(const Checkpoint& checkpoint, const std::string& path);

/// \throws Error if the file is missing, damaged or not a checkpoint.
Checkpoint load_checkpoint(const std::string& path);

/// Weights alone, by the model's names; read_weights() and torch read it too.
void save_weights(const std::map<std::string, at::Tensor>& weights, const std::string& path);
std::map<std::string, at::Tensor> load_weights(const std::string& path);

}  // namespace salus::train
