#pragma once

#include <string>
#include <string_view>

namespace salus::io::dicom {

/// How the frames of a transfer syntax are coded.
enum class Codec {
  kNative,              ///< uncompressed, not encapsulated
  kEncapsulatedNative,  ///< uncompressed frames in fragments (.1.98)
  kDeflatedFrames,      ///< each frame deflated (.8.1)
  kRle,
  kJpeg,
  kJpegLs,
  kJpeg2000,     ///< and HTJ2K
  kSniff,        ///< no transfer syntax in the file: the first bytes of the frame tell
  kUnsupported,  ///< known by name, not a still image that Salus reads
};

/// One transfer syntax (DICOM PS3.6 table A-1).
struct TransferSyntax {
  std::string_view uid;
  std::string_view name;
  Codec codec = Codec::kNative;
  bool explicit_vr = true;
  bool big_endian = false;
  bool deflated = false;
  bool big_endian_pixels = false;  ///< GE's private syntax: little-endian data set, swapped pixels
};

/// The syntax with this UID, or nullptr if unknown.
const TransferSyntax* find_transfer_syntax(std::string_view uid);

}  // namespace salus::io::dicom
