#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "kernels/image_augment.h"

namespace salus::reference {

/// Philox 4x32-10 as in table 2 and section 3.3 of Salmon et al., "Parallel random numbers: as easy
/// as 1, 2, 3" (SC 2011).
std::array<std::uint32_t, 4> philox4x32_10(std::array<std::uint32_t, 4> counter,
                                           std::array<std::uint32_t, 2> key);

/// One image, C x H x W.
struct AugmentedImage {
  std::vector<double> values;
  /// How far an error of 1 in the source position would change each value: the tolerance must allow
  /// for it where the image is steep.
  std::vector<double> slope;
};

/// What kernels/image_augment.h promises for one image, in float64, step by step from its text.
AugmentedImage image_augment(const std::vector<double>& image, int channels, int height, int width,
                             std::int64_t sample, std::int64_t epoch, std::uint64_t seed,
                             const kernels::AugmentSpec& spec);

}  // namespace salus::reference
