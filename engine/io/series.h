#pragma once

#include <string>
#include <vector>

#include "engine/io/volume.h"

namespace salus::io {

/// What is scored or shown as one: a file, or the DICOM files of one series.
struct Input {
  std::string id;  ///< the file; of a series its folder, if nothing else lies there, or first file
  std::vector<std::string> files;
  bool series = false;  ///< the files are of one series, to be read as a volume
};

/// Each file for itself.
std::vector<Input> file_inputs(const std::vector<std::string>& files);

/// DICOM files of equal SeriesInstanceUID become one input, in the order of their first files; all
/// others (also those that cannot be read: reading says why) stand for themselves.
std::vector<Input> series_inputs(const std::vector<std::string>& files);

/// Reads what an input names. The files of a series become a volume, as read_series() makes it; so
/// do the frames of a series' only file, if they have places (has_placed_frames()). Any other file
/// is read as it is, and `files` of the volume stays empty.
/// \throws salus::Error as read_image() and read_series() do.
Volume read_input(const Input& input, const VolumeOptions& options = {},
                  const ReadLimits& limits = {});

/// Irregularities by their names: missing, duplicates, uneven, tilt, mixed.
/// \throws UsageError for another name.
VolumeOptions allow_irregular(const std::vector<std::string>& names);

}  // namespace salus::io
