#pragma once

#include <string>
#include <vector>

#include "engine/io/image.h"

namespace salus::io {

/// A volume made of the slices of one series, sorted along the normal.
struct Volume {
  Image image;                        ///< frames in slice order, geometry per frame
  std::vector<std::string> files;     ///< source of each frame
  std::vector<std::int64_t> frames;   ///< which frame of its source each one is
  double slice_spacing = 0;           ///< mm, along the normal; 0 for a single slice
  std::vector<std::string> problems;  ///< missing, duplicate, uneven, tilt, mixed: whole sentences
};

/// Which irregularities are let through (they are still reported in `problems`).
struct VolumeOptions {
  bool allow_missing = false, allow_duplicates = false, allow_uneven = false, allow_tilt = false;
  /// Slices of one series that differ in size, pixel type, modality, spacing, orientation or frame
  /// of reference: the most slices that agree (of equals the first) are read, the others left out.
  bool allow_mixed = false;
  /// Of steps, as a share of the usual one. What positions rounded to 0.01 mm make is always let
  /// through.
  double tolerance = 0.01;
};

/// Reads the DICOM files of one series into a volume.
/// \throws salus::Error for files of different series or patients, no geometry, or an irregularity
///         that is not allowed, naming the files.
Volume read_series(const std::vector<std::string>& files, const VolumeOptions& options = {},
                   const ReadLimits& limits = {});

/// True if the frames of one file have places of their own, as those of an Enhanced CT have.
bool has_placed_frames(const Image& image);

/// The frames of such a file as if each were a slice of a series; `path` is what errors call it.
/// \throws salus::Error as read_series() does.
Volume volume_of_frames(Image image, const std::string& path, const VolumeOptions& options = {});

}  // namespace salus::io
