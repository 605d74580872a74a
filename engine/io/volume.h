#pragma once

#include <string>
#include <vector>

#include "engine/io/image.h"

namespace salus::io {

/// A volume made of the slices of one series, sorted along the normal.
struct Volume {
  Image image;                        ///< frames in slice order, geometry per frame
  std::vector<std::string> files;     ///< source of each frame
  double slice_spacing = 0;           ///< mm, along the normal; 0 for a single slice
  std::vector<std::string> problems;  ///< missing, duplicate, uneven, tilt, mixed: whole sentences
};

/// Which irregularities are let through (they are still reported in `problems`).
struct VolumeOptions {
  bool allow_missing = false, allow_duplicates = false, allow_uneven = false, allow_tilt = false;
  double tolerance_mm = 0.01;  ///< of positions, relative to slice spacing 1 mm
};

/// Reads the DICOM files of one series into a volume.
/// \throws salus::Error for mixed series, sizes or orientations, no geometry, or an irregularity
/// that
///         is not allowed, naming the files.
Volume read_series(const std::vector<std::string>& files, const VolumeOptions& options = {},
                   const ReadLimits& limits = {});

}  // namespace salus::io
