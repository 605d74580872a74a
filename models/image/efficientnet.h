#pragma once

#include "engine/core/registry.h"

namespace salus::models {

/// EfficientNet-B0 (Tan and Le 2019). Names and initial values equal torchvision's.
///
/// Options: width (multiplier of all channels, rounded to multiples of 8; 1), dropout (before the
/// head, 0.2), stochastic_depth (probability of leaving out the last block in training, falling
/// linearly to 0 at the first; 0.2), small (1: stride 1 in the stem, for small images).
ModelEntry efficientnet_b0();

}  // namespace salus::models
