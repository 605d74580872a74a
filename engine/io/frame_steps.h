#pragma once

#include <optional>

#include "engine/io/image.h"

namespace salus::io {

/// How far the frames of an image lie apart along their common normal.
struct FrameSteps {
  double usual = 0;  ///< mm, the median; frames at one place, as of a time series, are one
  double least = 0, most = 0;  ///< mm

  /// All steps are the usual one, but for 1 % of it or what positions rounded to 0.01 mm make.
  bool even() const;
};

/// Steps between the places that a file gives its frames, in whatever order it has them.
/// \returns nothing if a frame has no place, their orientations differ or they all lie in one plane.
std::optional<FrameSteps> frame_steps(const Image& image);

}  // namespace salus::io
