#pragma once

#include <cstdint>

#include "kernels/device.h"

// What clahe and histogram_equalize share, once for host and device. Products and sums are rounded
// one by one (rounded_product() of device.h): OpenCV's are, and a fused multiply-add would give
// other bits.

namespace salus::kernels {

/// Which values are counted.
struct HistogramBins {
  int bits = 8;
  std::uint32_t ignore_low = 1;  ///< values that are not counted, and stay; none if low > high
  std::uint32_t ignore_high = 0;

  SALUS_HD int levels() const { return 1 << bits; }
  SALUS_HD bool ignores() const { return ignore_low <= ignore_high; }
  SALUS_HD bool ignores(std::uint32_t value) const {
    return value >= ignore_low && value <= ignore_high;
  }
  /// Values that `bits` cannot hold are taken as the highest that it can.
  SALUS_HD std::uint32_t saturated(std::uint32_t value) const {
    const auto top = static_cast<std::uint32_t>(levels() - 1);
    return value < top ? value : top;
  }
};

/// What a cumulative count is multiplied with: (levels - 1) / counted.
SALUS_HD float histogram_scale(int levels, std::uint32_t counted) {
  return static_cast<float>(levels - 1) / static_cast<float>(static_cast<int>(counted));
}

/// Table entry for the cumulative count `below` of a value and all below it.
SALUS_HD std::uint16_t histogram_entry(std::uint32_t below, float scale, int levels) {
  const int entry =
      round_to_even(rounded_product(static_cast<float>(static_cast<int>(below)), scale));
  return static_cast<std::uint16_t>(entry < levels ? entry : levels - 1);
}

}  // namespace salus::kernels
