#pragma once

#include <optional>
#include <vector>

#include "engine/io/dicom_layout.h"
#include "engine/io/image.h"

namespace salus::io::dicom {

/// Item 0 of `macro` in the functional groups that hold for one frame (PS3.3 C.7.6.16): its own,
/// else the shared ones; nullptr if neither has it.
const DataSet* functional_group(const DataSet& data, std::int64_t frame, Tag macro);

/// True if some frame has a functional group `macro` of its own.
bool has_own_groups(const DataSet& data, Tag macro);

/// Modality LUT or rescale, VOI LUTs and windows: one chain for all frames, or one per frame.
/// \throws salus::Error if what decides the values (rescale, modality LUT) is there but unreadable;
///         an unreadable window only becomes a warning.
std::vector<GrayscaleChain> read_chains(ParsedFile& file, const PixelLayout& layout);

/// PixelPaddingValue and its range limit in the signedness of the pixels; none for colour.
std::optional<PaddingRange> read_padding(ParsedFile& file, const PixelLayout& layout);

/// Position and orientation per frame, spacing and thickness, as far as the file has them.
void read_geometry(ParsedFile& file, const PixelLayout& layout, Image& image);

}  // namespace salus::io::dicom
