#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/gru_d.h"

namespace salus::kernels {

/// What a stream of N series carries from step to step; the caller's arrays, row-major.
struct GruDState {
  float* hidden;  ///< [N, H]
  float* x_last;  ///< [N, D]: last observed values
  double*
      last_time;  ///< [N, D]: when they were observed; before any, the first step; NaN before it
};

/// gru_d_forward() one step at a time, on the CPU: for series that arrive while they are scored.
///
/// The same arithmetic in the same order: with the delta that vitals grids have, the state after
/// t steps is that of gru_d_forward() to the bit, in any batch. Const and thread-safe.
class GruDStepper {
 public:
  /// \param mean  [D], as in GruDInput. Weights are copied into the layout the products want.
  /// \throws c10::Error if shapes or dtypes are not those of gru_d.h or a tensor is not on the CPU.
  GruDStepper(const GruDParameters& parameters, const at::Tensor& mean);
  ~GruDStepper();
  GruDStepper(GruDStepper&&) noexcept;
  GruDStepper& operator=(GruDStepper&&) noexcept;

  std::int64_t variables() const;
  std::int64_t units() const;
  /// Floats that step() needs to work in.
  std::size_t workspace_floats() const;

  /// The state before the first step: hidden 0, x_last the mean, last_time NaN.
  void reset(std::int64_t series, const GruDState& state) const;

  /// One step of each series. Does not allocate and starts no thread.
  ///
  /// \param time       [N], in the unit of delta: delta of a variable is `time` less the time of
  /// its
  ///                   last observation before this step (of the first step, if there is none).
  /// \param values     [N, D]; not read where `mask` is 0.
  /// \param mask       [N, D]: observed where not 0.
  /// \param workspace  workspace_floats() floats, of this call alone.
  void step(std::int64_t series, const double* time, const float* values, const float* mask,
            const GruDState& state, float* workspace) const;

  /// The same where the deltas are known.
  ///
  /// \param delta  [N, D]. \param hidden  [N, H], renewed. \param x_last  [N, D], renewed.
  void advance(std::int64_t series, const float* values, const float* mask, const float* delta,
               float* hidden, float* x_last, float* workspace) const;
  /// x_last of a series before its first step: the mean, [D].
  const float* mean() const;

 private:
  struct Packed;
  std::unique_ptr<const Packed> packed_;
};

}  // namespace salus::kernels
