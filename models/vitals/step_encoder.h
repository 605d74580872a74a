#pragma once

#include <cstdint>

#include "engine/core/step_network.h"

namespace salus::models {

/// The encoder of a VitalsModel, one bin at a time: encode() of the same weights, with a state that
/// is so many floats. Const and thread-safe; step() neither allocates nor starts threads.
class StepEncoder {
 public:
  /// Series that are stepped together at most: while their weights are in the cache.
  static constexpr std::int64_t kRows = 32;

  virtual ~StepEncoder() = default;

  virtual std::int64_t state_floats() const = 0;
  /// Floats that step() needs to work in, aligned to 64 bytes.
  virtual std::int64_t workspace_floats() const = 0;

  /// \param initial  [H], the state before the first step. \param state  state_floats().
  virtual void start(const float* initial, float* state) const = 0;

  /// \param input   at most kRows series. \param states  their states, renewed.
  /// \param hidden  the state after this step, [N, H], rows `hidden_row` floats apart.
  virtual void step(const StepInput& input, float* const* states, float* hidden,
                    std::int64_t hidden_row, float* workspace) const = 0;
};

}  // namespace salus::models
