#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>

namespace salus::io {

/// A compressed frame is damaged or not what its file says. `what()` is a sentence without the
/// file, which the caller adds.
class CodecError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What the markers of a JPEG (ITU T.81) or JPEG-LS (ITU T.87) stream say.
struct JpegInfo {
  int frame_marker = 0;  ///< second byte of the SOF marker: 0xC0..0xC3, or 0xF7 for JPEG-LS
  int precision = 0;     ///< bits per sample
  int rows = 0, columns = 0, components = 0;
  std::array<std::uint8_t, 4> component_ids{};
  bool subsampled = false;  ///< components differ in their sampling factors
  bool has_jfif = false;
  int adobe_transform = -1;  ///< of an APP14 marker, -1 without one
  bool ends = false;         ///< an EOI marker was found
  int odd_scans = 0;         ///< sequential scans with parameters that only progressive ones have
  bool has_presets = false;  ///< JPEG-LS: an LSE segment sets the coding parameters
  int near = 0;              ///< JPEG-LS: largest error of a sample, 0 if lossless

  bool is_jpeg_ls() const { return frame_marker == 0xF7; }
  bool is_lossless() const { return frame_marker == 0xC3 || (is_jpeg_ls() && near == 0); }
};

/// Walks the marker segments of a JPEG or JPEG-LS stream without decoding it, so that no decoder
/// meets a segment length below 2 (which some loop on for ever), sizes that contradict the file, or
/// a process that it does not know.
///
/// \param stream  begins with SOI.
/// \throws CodecError if the stream has no frame or no scan, a segment runs past the end, more than
///         200 scans, or uses arithmetic coding or a hierarchical process.
JpegInfo check_jpeg(std::span<const std::byte> stream);

}  // namespace salus::io
