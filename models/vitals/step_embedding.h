#pragma once

#include <cstdint>

#include "kernels/packed_linear.h"
#include "models/vitals/step_encoder.h"

namespace salus::models {

/// What encoders that embed each bin by itself share: the front of a series' state, which is how many
/// bins it had and the state before the first, and the embedding of a bin, its series (series_of())
/// through a linear layer plus that state.
class StepEmbedding {
 public:
  StepEmbedding(const at::Tensor& weight, const at::Tensor& bias)
      : linear_(weight, bias), hidden_(weight.size(0)) {}

  std::int64_t hidden() const { return hidden_; }
  std::int64_t units() const { return kernels::padded16(hidden_); }  ///< floats of a row
  std::int64_t inputs() const { return linear_.inputs(); }
  std::int64_t state_floats() const { return kInitial + units(); }  ///< of the front

  /// \param state  state_floats() and what else there is, all 0. \param initial  [H]
  void start(const float* initial, float* state) const;
  /// \param series  room for [N, inputs()]. \param x  [N, units()], the embedded bin.
  void operator()(const StepInput& input, float* const* states, float* series, float* x) const;

  /// The number of the bin that comes next, from 0.
  static std::int64_t bin(const float* state);
  /// Counts the bin as taken.
  static void advance(float* state);

 private:
  static constexpr std::int64_t kInitial = 16;  // after the number of bins

  kernels::PackedLinear linear_;
  std::int64_t hidden_;
};

}  // namespace salus::models
