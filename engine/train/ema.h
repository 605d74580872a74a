#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/core/model.h"

namespace salus::train {

/// Exponential moving average of parameters and floating buffers (BatchNorm statistics too):
/// average += (1 - d) (value - average), with d = min(decay, (1 + t) / (10 + t)) at the t-th
/// update, so that the first steps' weights are forgotten soon. Other buffers (counters) are
/// copied.
class Ema {
 public:
  Ema(Model& model, double decay);

  /// After an optimiser step; `t` counts from 0.
  void update(std::int64_t t);

  static double decay_at(double decay, std::int64_t t);

  /// Averages by the model's names; same storage as in use.
  std::map<std::string, at::Tensor> state() const;
  void load_state(const std::map<std::string, at::Tensor>& state);

  /// Exchanges the model's values and the averages, without copying. Twice is as before.
  void swap();

 private:
  double decay_;
  std::vector<std::string> names_;
  std::vector<at::Tensor> live_, average_;  ///< floating: averaged
  std::vector<std::string> counter_names_;
  std::vector<at::Tensor> live_counters_, counters_;  ///< others: copied
};

/// Evaluates the model with its averages while it lives; does nothing if `ema` is null.
class EmaScope {
 public:
  explicit EmaScope(Ema* ema) : ema_(ema) {
    if (ema_) ema_->swap();
  }
  ~EmaScope() {
    if (ema_) ema_->swap();
  }
  EmaScope(const EmaScope&) = delete;
  EmaScope& operator=(const EmaScope&) = delete;

 private:
  Ema* ema_;
};

}  // namespace salus::train
