#pragma once

#include "engine/core/registry.h"

namespace salus::models {

/// DenseNet-121 (Huang et al. 2017). Names and initial values equal torchvision's; the older names
/// of its published checkpoints ("denselayer1.norm.1.weight") load too.
///
/// Options: width (channels of the stem, 64), growth (channels that each layer adds, 32), small
/// (1: 3 x 3 stem of stride 1 without max pooling), dropout (before the head).
ModelEntry densenet121();

}  // namespace salus::models
