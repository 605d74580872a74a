#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/core/step_network.h"
#include "models/vitals/known_features.h"

namespace salus::models {

/// KnownFeatures::of() bin by bin. The state of a series: how many bins there were (as a double); if there
/// is a summary, that of each variable; if there is a window, what is recent of each and the ring of their
/// values. 0 bytes are the state before the first bin.
class StepKnown {
 public:
  explicit StepKnown(KnownFeatures known);

  const KnownFeatures& features() const { return known_; }
  std::size_t state_bytes() const { return bytes_; }

  /// What is known before the first bin: static covariates, 0 where not known, and clocks.
  /// \param known  [F], 0 at first.
  void start(const float* statics, float* known) const;

  /// What is known after one more bin. \param row  of the input. \param known  [F].
  void step(const StepInput& input, std::int64_t row, std::byte* state, float* known) const;

 private:
  void put_statics(const float* statics, float* to) const;
  void put_summary(const float* values, const float* mask, double bin, std::byte* state,
                   float* to) const;
  void put_recent(const float* values, const float* mask, double bin, std::byte* state,
                  float* to) const;

  KnownFeatures known_;
  std::size_t recent_at_, ring_at_, bytes_;  ///< bytes of a state before each of its parts
};

}  // namespace salus::models
