#pragma once

#include <string>
#include <vector>

#include "kernels/image_preprocess.h"

namespace salus::reference {

/// What kernels::image_preprocess() should give, in float64 and in the slowest and plainest way:
/// every stored value is windowed by the formula of DICOM PS3.3 C.11.2, the whole box becomes an
/// image of doubles, each output pixel is a double sum over the box.
///
/// \returns doubles [N, channels, height, width], before rounding to the output's type.
std::vector<double> image_preprocess(const std::vector<kernels::PreprocessImage>& images,
                                     const kernels::PreprocessSpec& spec);

/// Where `actual` (of `spec.dtype`) is further from `expected` than one unit in the last place of
/// its type plus 1e-5 of `magnitude`; empty if nowhere. NaN must meet NaN.
std::string difference(const at::Tensor& actual, const std::vector<double>& expected,
                       double magnitude = 1);

}  // namespace salus::reference
