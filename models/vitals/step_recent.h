#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace salus::models {

/// recent_steps() of one variable bin by bin, but for the values in the window, which lie in a ring
/// beside it: that of bin t in place t mod window, NaN where not observed. 0 bytes are the state before
/// the first bin.
struct StepRecent {
  double count, bin;   ///< of observed bins; the latest of them
  double left;         ///< observed bins that have left the window
  float last, before;  ///< the latest value, and the latest of those that have left

  /// The bin `at` begins. \param value    NaN where not observed.
  /// \param leaving  what bin `at` - W was, NaN where not observed or before the first bin.
  void observe(float value, float leaving, double at) {
    if (!std::isnan(leaving)) {
      left += 1;
      before = leaving;
    }
    if (std::isnan(value)) return;
    count += 1;
    bin = at;
    last = value;
  }

  /// The eight at bin `at`. \param ring  the variable's first place; places are `row` floats apart.
  void write(double at, const float* ring, std::int64_t row, std::int64_t window, float* to) const {
    double sum = 0, n = 0;
    float low = 0, high = 0;
    const auto places = static_cast<std::int64_t>(std::min(static_cast<double>(window), at + 1));
    for (std::int64_t p = 0; p < places; ++p) {
      const float value = ring[p * row];
      if (std::isnan(value)) continue;
      low = n == 0 ? value : std::min(low, value);
      high = n == 0 ? value : std::max(high, value);
      sum += value;
      n += 1;
    }
    const double mean = n > 0 ? sum / n : 0, since = count > 0 ? std::log1p(at - bin) : 0;
    const float all[] = {static_cast<float>(std::log1p(count)),
                         last,
                         static_cast<float>(since),
                         low,
                         high,
                         static_cast<float>(mean),
                         left > 0 ? last - before : 0,
                         static_cast<float>(count / (at + 1))};
    std::copy(std::begin(all), std::end(all), to);
  }
};

}  // namespace salus::models
