#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

#include "tests/bench/worker.h"

namespace salus::bench {

/// A clock that the Trainer asks after every step: it stops the run between repetitions, so that
/// the peer's can take their turn, and ends it when the runner has had enough.
class StepClock {
 public:
  StepClock(std::int64_t steps, double batch, nlohmann::json about)
      : steps_(steps), batch_(batch), about_(std::move(about)) {}

  bool operator()(std::int64_t step) {
    if (step < kWarmUp) return false;
    if (step == kWarmUp) {
      say_ready(about_);
    } else if ((step - kWarmUp) % steps_ == 0) {
      report(now() - start_, static_cast<double>(steps_) * batch_);
    } else {
      return false;
    }
    const bool more = wait_for_turn();
    start_ = now();
    return !more;
  }

 private:
  static constexpr std::int64_t kWarmUp = 2;
  std::int64_t steps_;
  double batch_, start_ = 0;
  nlohmann::json about_;
};

}  // namespace salus::bench
