#pragma once

#include <cstdint>

#include "engine/train/train_config.h"

namespace salus::train {

/// Learning rate over the run, as a factor of the configured one. Steps are optimiser steps.
///
/// Warm-up: the factor rises linearly, (step + 1) / W over the first W steps, and multiplies
/// nothing else. Then, with s counted from the start of the run and T steps in all: cosine   final
/// + (1 - final) (1 + cos(pi (s - W) / (T - W))) / 2 step     gamma^(number of milestones reached),
/// milestones in epochs plateau  gamma^(number of reductions so far)
class Schedule {
 public:
  Schedule(const ScheduleConfig& config, std::int64_t steps_per_epoch, std::int64_t epochs);

  double factor(std::int64_t step) const;

  /// Tells a plateau schedule the monitored metric of an epoch; NaN counts as no improvement.
  void epoch_end(double metric, bool higher_is_better);

  /// All that changes during a run.
  struct State {
    double best = 0;
    bool has_best = false;
    std::int64_t bad_epochs = 0;
    std::int64_t reductions = 0;
  };
  const State& state() const { return state_; }
  void set_state(const State& state) { state_ = state; }

 private:
  ScheduleConfig config_;
  std::int64_t steps_per_epoch_, warmup_steps_, total_steps_;
  State state_;
};

}  // namespace salus::train
