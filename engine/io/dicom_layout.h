#pragma once

#include <cstdint>
#include <string>

#include "engine/io/dicom_parser.h"
#include "engine/io/image.h"

namespace salus::io::dicom {

/// The Image Pixel module (PS3.3 C.7.6.3), checked: what the pixel element has to hold.
struct PixelLayout {
  const Element* element = nullptr;  ///< PixelData, FloatPixelData or DoubleFloatPixelData
  std::int64_t rows = 0, columns = 0, frames = 1;
  int samples = 1;
  int bits_allocated = 0, bits_stored = 0, high_bit = 0;
  bool is_signed = false;
  bool is_float = false;
  bool planar = false;       ///< PlanarConfiguration 1: red plane, green plane, blue plane
  bool full_chroma = false;  ///< each pixel has its chroma although `photometric` says 4:2:2
  std::string photometric;   ///< upper case, as the file says it

  std::int64_t pixels_per_frame() const { return rows * columns; }
  std::int64_t values_per_frame() const { return rows * columns * samples; }
  bool is_palette() const { return photometric == "PALETTE COLOR"; }
  bool is_ybr() const { return photometric.starts_with("YBR_"); }
  /// Chroma of two neighbouring pixels stored once (uncompressed only).
  bool is_422() const { return photometric.ends_with("_422") && !full_chroma; }
  /// Type of a stored value, wide enough for BitsAllocated.
  PixelType type() const;
  /// Bits of one uncompressed frame.
  std::int64_t native_bits_per_frame() const;
};

/// Reads and checks the module. Oddities that have one meaning become warnings of `file`.
///
/// \throws salus::Error if the file has no pixels, an attribute is missing, impossible or not
///         supported, or the decoded pixels would exceed `limits`.
PixelLayout read_layout(ParsedFile& file, const ReadLimits& limits);

}  // namespace salus::io::dicom
