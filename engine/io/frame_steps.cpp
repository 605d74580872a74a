#include "engine/io/frame_steps.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/io/volume_slices.h"

namespace salus::io {
namespace {

constexpr double kSamePlace = 1e-6;  ///< mm, what arithmetic in double makes
constexpr double kTolerance = 0.01;  ///< of a step
constexpr double kRounding = 0.02;   ///< mm, of the difference of two steps

/// Places along the normal of the first frame, ascending; none if the frames have no common normal.
std::vector<double> places(const Image& image) {
  const auto& frames = image.geometry;
  if (frames.empty()) return {};
  const auto& first = frames[0];
  if (!first) return {};
  const Vector normal = cross(first->row_cosine, first->column_cosine);
  std::vector<double> found;
  for (const auto& frame : frames) {
    if (!frame || !same_orientation(*frame, *first)) return {};
    found.push_back(dot(frame->origin, normal));
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

bool FrameSteps::even() const {
  const double tolerance = std::max(kTolerance * usual, std::min(kRounding, usual / 10));
  return most - least <= tolerance;
}

std::optional<FrameSteps> frame_steps(const Image& image) {
  const std::vector<double> at = places(image);
  std::vector<double> steps;
  for (std::size_t i = 1; i < at.size(); ++i) {
    if (at[i] - at[i - 1] > kSamePlace) steps.push_back(at[i] - at[i - 1]);
  }
  if (steps.empty()) return std::nullopt;
  std::sort(steps.begin(), steps.end());
  return FrameSteps{steps[(steps.size() - 1) / 2], steps.front(), steps.back()};
}

}  // namespace salus::io
