#pragma once

#include "engine/core/batch.h"

namespace salus {

/// Scores a batch. All that evaluate, predict and serve know of a model. Const and thread-safe.
class Predictor {
 public:
  virtual ~Predictor() = default;

  /// \returns float32 [N, L] on the CPU: logits (regression: values), before calibration; of a model
  ///          with labels a step [N, T, L], where steps beyond a stay's length mean nothing.
  virtual at::Tensor predict(const Batch& batch) const = 0;

  /// \returns float32 [N, E] on the CPU: penultimate features, or undefined if there are none.
  virtual at::Tensor embed(const Batch& batch) const = 0;
};

}  // namespace salus
