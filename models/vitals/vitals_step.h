#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "engine/core/step_network.h"
#include "kernels/packed_linear.h"
#include "models/vitals/known_features.h"
#include "models/vitals/quantile_bins.h"
#include "models/vitals/step_encoder.h"

namespace salus::models {

/// A VitalsModel taken apart.
struct VitalsStepParts {
  KnownFeatures known;
  std::int64_t hidden, outputs;
  std::optional<QuantileBinsRow> bins;
  std::optional<kernels::PackedLinear> static_state;
  std::optional<kernels::PackedLinear> units;  ///< rectified, before the head
  kernels::PackedLinear head;
  std::unique_ptr<StepEncoder> encoder;
};

/// The model bin by bin: its encoder's step, then statics, the summary so far and what is recent, then
/// the head.
std::unique_ptr<StepNetwork> make_vitals_step(VitalsStepParts parts);

}  // namespace salus::models
