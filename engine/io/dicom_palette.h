#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/io/dicom_parser.h"

namespace salus::io::dicom {

/// Red, green and blue lookup tables of PALETTE COLOR (PS3.3 C.7.6.3.1.5), of equal length.
struct Palette {
  std::int64_t first = 0;  ///< index mapped by entry 0
  int bits = 8;            ///< 8 or 16: what the entries need
  std::array<std::vector<std::uint16_t>, 3> channels;
};

/// \throws salus::Error if a table is missing, empty, or a segmented one is damaged.
Palette read_palette(ParsedFile& file, bool is_signed);

}  // namespace salus::io::dicom
