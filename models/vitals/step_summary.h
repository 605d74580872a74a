#pragma once

#include <cmath>
#include <cstdint>

namespace salus::models {

/// The summary of one variable so far (models/vitals/summary.h), of one series. 0 bytes are the
/// summary before the first bin.
struct StepSummary {
  double count, time, time_squares, values, products;  ///< sums over the observed bins
  float low, high, first, last;

  void observe(float value, double bin) {
    if (count == 0) low = high = first = value;
    low = value < low ? value : low;
    high = value > high ? value : high;
    last = value;
    count += 1;
    time += bin;
    time_squares += bin * bin;
    values += value;
    products += bin * value;
  }

  /// The seven, in the order of summarise().
  void write(float* to) const {
    const double n = count > 1 ? count : 1, mean = values / n;
    const double spread = time_squares - time * time / n;
    const double slope = count > 1 ? (products - time * mean) / spread : 0;
    const float all[] = {low,
                         high,
                         static_cast<float>(mean),
                         first,
                         last,
                         static_cast<float>(slope),
                         static_cast<float>(std::log1p(count))};
    for (const float value : all) *to++ = value;
  }
};

}  // namespace salus::models
