#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/io/dicom_layout.h"

namespace salus::io::dicom {

/// Bytes that uncompressed pixels of the layout take.
/// \throws salus::Error with both numbers if the file holds fewer.
std::uint64_t check_native_size(ParsedFile& file, const PixelLayout& layout);

/// Reads uncompressed PixelData, FloatPixelData or DoubleFloatPixelData.
///
/// Where stored values need no rearrangement, the file's bytes go straight into `out`.
///
/// \param out  frames x values_per_frame() values of layout.type(), clean and interleaved, in the
///             colour space that the file stores.
/// \throws salus::Error as check_native_size() does.
void read_native(ParsedFile& file, const PixelLayout& layout, std::byte* out);

/// Rearranges one uncompressed frame of little-endian bytes (a fragment's) into `out`: bits
/// unpacked, planes interleaved, 4:2:2 chroma repeated. Values are not cleaned.
/// \param raw  at least ceil(native_bits_per_frame() / 8) bytes.
void unpack_frame(std::span<const std::byte> raw, const PixelLayout& layout, std::byte* out);

/// Masks and sign-extends `count` stored values in place (PS3.5 8.1.1): the value is the `bits`
/// bits that end at `high_bit`.
void clean_bits(std::byte* values, std::int64_t count, PixelType type, int bits, int high_bit);

}  // namespace salus::io::dicom
