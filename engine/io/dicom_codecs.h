#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/io/dicom_layout.h"
#include "engine/io/jpeg_check.h"

namespace salus::io::dicom {

/// Decodes all frames of encapsulated pixel data to RGB or grey.
///
/// \param out  frames x values_per_frame() values of layout.type(), clean and interleaved.
/// \throws salus::Error naming the frame and what is wrong with it.
void decode_frames(ParsedFile& file, const PixelLayout& layout, std::byte* out);

/// Decodes one RLE frame (PS3.5 annex G) to little-endian interleaved values of layout.type().
/// \throws CodecError if segments are missing, overlap the end, or hold too few bytes.
void decode_rle(std::span<const std::byte> frame, const PixelLayout& layout, std::byte* out);

/// Decodes one checked JPEG frame with DCMTK, without any colour transform, to interleaved samples
/// of one byte (precision up to 8) or two.
/// \throws CodecError if the stream is damaged or ends early: no pixel is invented.
void decode_jpeg(std::vector<std::byte>& frame, const JpegInfo& info, std::byte* out);

/// The same for JPEG-LS.
void decode_jpeg_ls(std::vector<std::byte>& frame, const JpegInfo& info, std::byte* out);

}  // namespace salus::io::dicom
