#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "engine/core/model.h"

namespace salus::explain {

/// What the measured values of a stay add to a logit.
struct StayAttribution {
  at::Tensor values;   ///< float32 [T, D]; 0 beyond the scored step
  at::Tensor statics;  ///< float32 [S]
  /// The scored step of a model with labels a step; else the stay's last. 0 of a stay without steps.
  std::int64_t step = 0;
  double logit = 0;
  double baseline = 0;  ///< the logit were all values the mean of the training part
  double gap = 0;       ///< logit - baseline - sum of the attributions
};

/// Integrated gradients (Sundararajan, Taly and Yan, 2017) of output `label` for one stay: the integral
/// of the gradient along the straight line from the baseline to the stay, times their difference, by the
/// midpoint rule with 32 points, doubled up to 1024 until the gap is within 1 % of logit - baseline;
/// `gap` says what is left.
///
/// The baseline has the stay's pattern of observation (mask and delta as they are) and every value and
/// static covariate at its mean, 0 after the z-score: what is explained is what was measured, given when
/// it was measured. A value carried forward counts at every step that it is carried to. A stay without
/// steps is scored once, from its statics, and they alone have shares.
///
/// \param stay  a batch of one (engine/core/batch.h).
/// \param step  of a model with labels a step; default: the last one.
/// \throws Error for a label or step that is not there.
StayAttribution integrated_gradients(Model& model, const Batch& stay, std::int64_t label,
                                     std::optional<std::int64_t> step = {});

}  // namespace salus::explain
