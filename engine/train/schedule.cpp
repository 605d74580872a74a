#include "engine/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace salus::train {

using Kind = ScheduleConfig::Kind;

Schedule::Schedule(const ScheduleConfig& config, std::int64_t steps_per_epoch, std::int64_t epochs)
    : config_(config),
      steps_per_epoch_(std::max<std::int64_t>(1, steps_per_epoch)),
      warmup_steps_(std::llround(config.warmup * static_cast<double>(steps_per_epoch))),
      total_steps_(steps_per_epoch * epochs) {}

double Schedule::factor(std::int64_t step) const {
  if (step < warmup_steps_) {
    return static_cast<double>(step + 1) / static_cast<double>(warmup_steps_);
  }
  switch (config_.kind) {
    case Kind::kConstant:
      return 1;
    case Kind::kCosine: {
      const auto span = std::max<std::int64_t>(1, total_steps_ - warmup_steps_);
      const double done =
          std::min(1.0, static_cast<double>(step - warmup_steps_) / static_cast<double>(span));
      const double wave = 0.5 * (1 + std::cos(std::numbers::pi * done));
      return config_.final_fraction + (1 - config_.final_fraction) * wave;
    }
    case Kind::kStep: {
      const double epoch = static_cast<double>(step / steps_per_epoch_);
      const auto reached = std::count_if(config_.milestones.begin(), config_.milestones.end(),
                                         [&](double milestone) { return epoch >= milestone; });
      return std::pow(config_.gamma, reached);
    }
    case Kind::kPlateau:
      return std::pow(config_.gamma, state_.reductions);
  }
  return 1;
}

void Schedule::epoch_end(double metric, bool higher_is_better) {
  if (config_.kind != Kind::kPlateau) return;
  const bool better =
      !std::isnan(metric) &&
      (!state_.has_best || (higher_is_better ? metric > state_.best : metric < state_.best));
  if (better) {
    state_.best = metric;
    state_.has_best = true;
    state_.bad_epochs = 0;
  } else if (++state_.bad_epochs > config_.patience) {
    ++state_.reductions;
    state_.bad_epochs = 0;
  }
}

}  // namespace salus::train
