#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/io/jpeg_check.h"

namespace salus::io {

/// SIZ marker segment of a JPEG 2000 codestream (ITU T.800 A.5.1).
struct Jpeg2000Info {
  std::int64_t rows = 0, columns = 0, tiles = 0;
  int components = 0;
  int precision = 0;       ///< of the first component
  bool is_signed = false;  ///< of the first component
  bool uniform = true;     ///< all components have that precision and no subsampling
};

/// Reads the size of a codestream, bare or in a JP2 file. Nothing is decoded.
/// \throws CodecError if it is not JPEG 2000, or its sizes are impossible.
Jpeg2000Info check_jpeg2000(std::span<const std::byte> stream);

/// Decodes JPEG 2000 part 1 or HTJ2K (part 15) with OpenJPEG, undoing its own colour transform.
///
/// \param stream  one frame, already checked with check_jpeg2000().
/// \param info    what that returned.
/// \param out     int32 [rows, columns, components], in the signedness of the codestream.
/// \throws CodecError if the stream is truncated or damaged.
void decode_jpeg2000(std::span<const std::byte> stream, const Jpeg2000Info& info,
                     std::int32_t* out);

}  // namespace salus::io
