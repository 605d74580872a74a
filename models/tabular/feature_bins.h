#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace salus::models {

/// Cuts between the values of each feature, at most 254, midway between two values that stand side by side
/// in the sample: a score does not change when a value is rounded differently. With few distinct values
/// there is one between any two of them, else one at every quantile.
class FeatureBins {
 public:
  static constexpr std::int64_t kMost = 255;     ///< bins, so that a code fits a byte
  static constexpr std::uint8_t kMissing = 255;  ///< the code of NaN

  /// \param rows  float32 [R, F], NaN = missing. \param bins  of each feature, 2 to kMost.
  FeatureBins(const at::Tensor& rows, std::int64_t bins);

  /// How many cuts are at or below each value: uint8 [R, F], kMissing of NaN.
  at::Tensor codes(const at::Tensor& rows) const;

  /// Ascending; code < c exactly where value < cuts(feature)[c - 1].
  const std::vector<float>& cuts(std::int64_t feature) const { return cuts_[feature]; }

 private:
  std::vector<std::vector<float>> cuts_;
};

}  // namespace salus::models
