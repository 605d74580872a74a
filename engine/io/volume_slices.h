#pragma once

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "engine/io/volume.h"

namespace salus::io {

using Vector = std::array<double, 3>;

inline double dot(const Vector& a, const Vector& b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

inline Vector cross(const Vector& a, const Vector& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

/// Whether rows and columns run the same way: direction cosines of slices of one series agree to the
/// digits that DS text has.
bool same_orientation(const Geometry& a, const Geometry& b);

/// One frame of one file.
struct Slice {
  std::size_t file = 0;
  std::int64_t frame = 0;
  Geometry geometry;
  double position = 0;  ///< along the normal, mm
};

/// The files of a series and the slices in them.
struct Series {
  std::vector<std::string> paths;
  std::vector<std::string> frames_of_reference;  ///< UIDs, never written out
  std::vector<Image> images;
  std::vector<Slice> slices;

  /// What errors call a slice.
  std::string name(const Slice& slice) const;
};

/// Sets the slice spacing of `volume` and looks for irregular steps between neighbours among the
/// sorted slices: those that are allowed become problems of the volume.
/// \throws salus::Error for one that is not.
void check_steps(const Series& series, const VolumeOptions& options, Volume& volume);

}  // namespace salus::io
