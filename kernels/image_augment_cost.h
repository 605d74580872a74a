#pragma once

#include <cstddef>
#include <vector>

#include "kernels/image_augment_math.h"
#include "kernels/kernel_cost.h"

namespace salus::kernels {

/// One call on images of `batch` whose draws are `plans`, with elements of `bytes` bytes. Every
/// element is read once (the four neighbours of a bilinear sample come again from the caches) and
/// written once. What a pixel costs by the steps of its image:
///   place     two integer divisions by multiplication, and the rest
///   geometry  two rows of an affine map, clamp, floor, four addresses, three interpolations
///   gamma     logarithm, product, exponential by polynomials; gain is one multiply-add
///   noise     a quarter of Philox 4x32-10 (ten rounds of four products and six more instructions)
///             and half a Box-Muller pair (logarithm, root, sine and cosine)
inline KernelCost image_augment_cost(const AugmentBatch& batch,
                                     const std::vector<AugmentImage>& plans, std::size_t bytes) {
  constexpr double kInteger = 2, kMultiplyAdd = 2;
  constexpr double kPlace = 12 * kInteger, kCutout = 4 * kInteger;
  constexpr double kGeometry = 4 * kMultiplyAdd + 6 + 16 * kInteger + 3 * (1 + kMultiplyAdd);
  constexpr double kGamma = 30, kGain = kMultiplyAdd;
  constexpr double kNoise = 100 * kInteger / 4 + 40.0 / 2 + kMultiplyAdd;
  const auto elements = static_cast<double>(batch.image_size());
  const auto images = static_cast<double>(plans.size());
  KernelCost cost;
  cost.bytes_uploaded = images * sizeof(AugmentImage);
  cost.bytes_read = images * elements * static_cast<double>(bytes) + cost.bytes_uploaded;
  cost.bytes_written = images * elements * static_cast<double>(bytes);
  for (const AugmentImage& plan : plans) {
    if (plan.steps == 0) continue;  // copied
    double each = kPlace;
    if (plan.steps & AugmentImage::kGeometry) each += kGeometry;
    if (plan.steps & AugmentImage::kGamma) each += kGamma;
    if (plan.steps & AugmentImage::kGain) each += kGain;
    if (plan.steps & AugmentImage::kNoise) each += kNoise;
    if (plan.steps & AugmentImage::kCutout) each += kCutout;
    cost.operations += each * elements;
  }
  return cost;
}

}  // namespace salus::kernels
