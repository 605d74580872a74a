#pragma once

#include <vector>

#include "kernels/clahe.h"
#include "kernels/histogram_equalize.h"

namespace salus::reference {

/// An image before its values are rounded.
struct EqualizedImage {
  std::vector<double> values;
  /// How far each value may be from the rounded result in float32: half a level, and one more where
  /// a table entry lies so near the middle of two integers that float32 may round it to the other.
  std::vector<double> tolerance;
};

/// What kernels/clahe.h promises for one image [height, width], in float64, step by step from its
/// text. `spec.bits` must be given.
EqualizedImage clahe(const std::vector<int>& image, int height, int width,
                     const kernels::ClaheSpec& spec);

/// The same for kernels/histogram_equalize.h.
EqualizedImage histogram_equalize(const std::vector<int>& image, const kernels::EqualizeSpec& spec);

}  // namespace salus::reference
