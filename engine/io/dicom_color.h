#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/io/dicom_layout.h"
#include "engine/io/image.h"

namespace salus::io::dicom {

/// Converts interleaved YBR_FULL (or, if `partial`, YBR_PARTIAL) values to RGB in place
/// (PS3.3 C.7.6.3.1.2), rounded half up and clipped to [0, 2^bits - 1].
void ybr_to_rgb(std::byte* values, std::int64_t pixels, PixelType type, int bits, bool partial);

/// Replaces palette indices by RGB of 8 or 16 bits, as the palette's entries are. Segmented
/// palettes (PS3.3 C.7.9.2) are expanded. \throws salus::Error if the palette is missing or
/// damaged.
void apply_palette(ParsedFile& file, const PixelLayout& layout, Image& image);

/// First value that a lookup table maps, from bits 16 of its descriptor: signed where the pixels
/// are.
std::int64_t first_mapped(double value, bool is_signed);

/// Entries of a lookup table, of 16 bits or packed bytes, as its length says; at most `count`,
/// fewer if the element is short. Packed bytes of big-endian words are put in order.
std::vector<std::uint16_t> table_entries(ByteSource& source, const Element& element,
                                         std::size_t count);

}  // namespace salus::io::dicom
