#pragma once

#include "engine/core/registry.h"

namespace salus::models {

/// ResNet-18, -34 and -50 (He et al. 2016; stride of the 50 in its 3 x 3 convolution, as
/// torchvision has it). Names and initial values equal torchvision's.
///
/// Options: width (channels of the first stage, 64), small (1: 3 x 3 stem of stride 1 without max
/// pooling, for images of about 28 pixels), dropout (before the head), zero_init_residual (1: the
/// last normalisation of each block starts at 0).
ModelEntry resnet18();
ModelEntry resnet34();
ModelEntry resnet50();

}  // namespace salus::models
