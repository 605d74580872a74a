#pragma once

#include <cstdint>
#include <vector>

#include "engine/io/image.h"

namespace salus::io {

/// Values of all frames in modality units (PS3.3 C.11.1), before VOI and MONOCHROME1 inversion:
/// [frames, rows, columns, samples]. Computed in double and rounded once.
struct ModalityValues {
  PixelType type = PixelType::kF32;  ///< an integer type where every value is exact, else kF32
  std::vector<std::byte> bytes;
  double minimum = 0, maximum = 0, mean = 0;  ///< over all values, padding included; float64
  std::int64_t padding_count = 0;             ///< values inside the padding of their frame
  std::int64_t nan_count = 0;                 ///< left out of minimum, maximum and mean
};

/// Applies modality LUT or slope and intercept.
///
/// \throws salus::Error if the image has no pixels.
ModalityValues modality_values(const Image& image);

}  // namespace salus::io
