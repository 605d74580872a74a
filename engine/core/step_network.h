#pragma once

#include <cstddef>
#include <cstdint>

namespace salus {

/// One bin of N series, row-major, as the vitals grid gives it (kernels/vitals_grid.h).
struct StepInput {
  std::int64_t series = 0;
  const float* values = nullptr;   ///< [N, D] filled forward, z-scored
  const float* mask = nullptr;     ///< [N, D] 1 where observed in this bin
  const float* delta = nullptr;    ///< [N, D] hours
  const float* statics = nullptr;  ///< [N, S]
};

/// A trained model of vital signs that takes its series one bin at a time, on the CPU: constant time
/// and memory whatever the length. Const and thread-safe; step() neither allocates nor starts threads.
///
/// After t bins the logits of a series are those of Model::forward() for the series cut after bin t
/// (a model with one label a stay), or of step t - 1 (one label a step), to 1e-6 in the probability
/// and to the bit in any batch of series.
class StepNetwork {
 public:
  virtual ~StepNetwork() = default;

  /// Bytes of the state of one series, aligned to 8. Plain memory without pointers: copying the bytes
  /// copies the series, and they may be written to a file.
  virtual std::size_t state_bytes() const = 0;
  /// Bytes that step() for up to `series` series needs to work in, aligned to 64.
  virtual std::size_t workspace_bytes(std::int64_t series) const = 0;

  /// The state before the first bin and, for models of one label a stay, the logits of an empty stay
  /// (of a label a step: those are NaN).
  ///
  /// \param statics  [S] \param state  state_bytes() \param logits  [L]
  virtual void start(const float* statics, std::byte* state, float* logits) const = 0;

  /// Takes one bin of each series.
  ///
  /// \param states  N pointers to states, no two the same. \param logits  [N, L].
  virtual void step(const StepInput& input, std::byte* const* states, float* logits,
                    std::byte* workspace) const = 0;
};

}  // namespace salus
