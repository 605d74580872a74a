#pragma once

#include <cstdint>

#include "kernels/image_augment.h"
#include "kernels/image_augment_math.h"

namespace salus::kernels {

/// Draws what happens to one image of dataset position `sample`: the words, their order and their
/// use are those that image_augment.h states.
AugmentImage draw_augmentation(const AugmentSpec& spec, const AugmentBatch& batch,
                               std::int64_t sample);

/// The CPU half of image_augment: `scalar` as in ImageAugmentLaunch.
void image_augment_cpu(int scalar, const AugmentBatch& batch, int count, const AugmentImage* images,
                       const void* in, void* out);

}  // namespace salus::kernels
