#pragma once

// Internal to trainer*.cpp.

#include <chrono>
#include <optional>
#include <vector>

#include "engine/io/stop_signals.h"
#include "engine/train/logger.h"
#include "engine/train/loss_watch.h"
#include "engine/train/progress.h"
#include "engine/train/step.h"
#include "engine/train/trainer.h"

namespace salus::train {

struct Trainer::Impl {
  std::shared_ptr<Model> model;
  Task task;
  TrainConfig config;
  TrainerOptions options;
  at::Device device;

  // Of the run that fit() is in.
  RunState state;
  std::optional<Samples> train, valid;
  std::optional<TrainStep> step;
  std::optional<Schedule> schedule;
  std::optional<LossWatch> watch;
  std::optional<Logger> logger;
  std::optional<io::StopSignals> signals;
  ProgressBar bar;
  std::int64_t batches = 0, epoch_cases = 0;  ///< of an epoch
  std::map<std::string, at::Tensor> best_weights;
  std::vector<std::string> obsolete;  ///< files to delete once no checkpoint names them
  bool stopped_early = false;
  int stop_signal = 0;

  Impl(std::shared_ptr<Model> model, const Task& task, const TrainConfig& config,
       TrainerOptions options);

  FitResult fit(Subset train_part, Subset valid_part);

  // trainer.cpp: the loop.
  void begin(Subset train_part, Subset valid_part);
  bool run_epoch();  ///< false if asked to stop
  void run_step(BatchStream& stream);
  void end_epoch();
  bool stop_requested() const;
  Metrics validate();
  EpochRow make_row(const Metrics& metrics) const;
  void announce(const EpochRow& row, bool best) const;
  [[noreturn]] void explain_out_of_memory(const std::string& reason);

  // trainer_state.cpp: what is kept.
  bool writes() const { return !options.out_dir.empty(); }
  std::string checkpoint_path(const std::string& file) const;
  void save();
  void restore();
  bool keep_if_best(double metric);
  bool should_stop_early(double metric);
  void drop_obsolete();
  FitResult result() const;
};

}  // namespace salus::train
