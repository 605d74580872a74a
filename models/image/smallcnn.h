#pragma once

#include "engine/core/registry.h"

namespace salus::models {

/// The small baseline of medical image papers: three times convolution 3 x 3, batch normalisation,
/// ReLU and 2 x 2 max pooling (32, 64 and 128 channels), averaged to at most 4 x 4, a dense layer
/// of 512 and the head.
///
/// Options: width (channels of the first convolution, 32), dense (512), dropout (before the head).
/// \throws UsageError for images below 8 x 8 pixels.
ModelEntry smallcnn();

}  // namespace salus::models
