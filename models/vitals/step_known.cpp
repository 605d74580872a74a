#include "models/vitals/step_known.h"

#include <cmath>
#include <limits>
#include <utility>

#include "models/vitals/step_recent.h"
#include "models/vitals/step_ring.h"
#include "models/vitals/step_summary.h"

namespace salus::models {

StepKnown::StepKnown(KnownFeatures known)
    : known_(std::move(known)),
      recent_at_(sizeof(double) + (known_.summary ? known_.variables * sizeof(StepSummary) : 0)),
      ring_at_(recent_at_ + (known_.window > 0 ? known_.variables * sizeof(StepRecent) : 0)),
      bytes_(ring_at_ + known_.window * known_.variables * sizeof(float)) {}

void StepKnown::put_statics(const float* statics, float* to) const {
  for (std::int64_t j = 0; j < known_.statics; ++j) {
    to[j] = std::isnan(statics[j]) ? 0.0f : statics[j];
  }
}

void StepKnown::start(const float* statics, float* known) const {
  put_statics(statics, known);
  known_.put_clocks(0, known);
}

void StepKnown::step(const StepInput& input, std::int64_t row, std::byte* state,
                     float* known) const {
  auto* bins = reinterpret_cast<double*>(state);
  const std::int64_t at = row * known_.variables;
  const float *values = input.values + at, *mask = input.mask + at;
  if (known_.statics > 0) put_statics(input.statics + row * known_.statics, known);
  float* to = known + known_.statics;
  if (known_.summary) put_summary(values, mask, *bins, state, to);
  to += known_.summary_width();
  if (known_.window > 0) put_recent(values, mask, *bins, state, to);
  known_.put_clocks(*bins, known);
  *bins += 1;
}

void StepKnown::put_summary(const float* values, const float* mask, double bin, std::byte* state,
                            float* to) const {
  auto* summaries = reinterpret_cast<StepSummary*>(state + sizeof(double));
  for (std::int64_t j = 0; j < known_.variables; ++j) {
    if (mask[j] != 0) summaries[j].observe(values[j], bin);
    summaries[j].write(to + kSummaries * j);
  }
}

void StepKnown::put_recent(const float* values, const float* mask, double bin, std::byte* state,
                           float* to) const {
  const std::int64_t variables = known_.variables, window = known_.window;
  auto* recent = reinterpret_cast<StepRecent*>(state + recent_at_);
  auto* ring = reinterpret_cast<float*>(state + ring_at_);
  float* place = StepRing(ring, window, variables).at(static_cast<std::int64_t>(bin));
  constexpr float kNone = std::numeric_limits<float>::quiet_NaN();
  const bool full = bin >= static_cast<double>(window);
  for (std::int64_t j = 0; j < variables; ++j) {
    const float value = mask[j] != 0 ? values[j] : kNone;
    recent[j].observe(value, full ? place[j] : kNone, bin);
    place[j] = value;
    recent[j].write(bin, ring + j, variables, window, to + kRecent * j);
  }
  to[kRecent * variables] = static_cast<float>(std::log1p(bin));
}

}  // namespace salus::models
