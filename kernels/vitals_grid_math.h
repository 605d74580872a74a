#pragma once

#include <cstdint>
#include <vector>

#include "kernels/device.h"
#include "kernels/philox.h"
#include "kernels/vitals_grid_variable.h"

// What the CPU and CUDA halves of vitals_grid share: the plan of a launch and the arithmetic of an
// event. Times are worked on as the bits of float64 by integer arithmetic alone, which is the same
// everywhere and needs no float64 units on the GPU.

namespace salus::kernels {

/// GridVariable in the form the halves use.
struct alignas(16) GridColumn {
  float low = 0, high = 0;
  float mean = 0, inverse_stddev = 1;
  float fill = 0;            ///< as it stands in the output
  std::int32_t max_gap = 0;  ///< bins
  Aggregate aggregate = Aggregate::kLast;
  GridTransform transform = GridTransform::kNone;
};

/// The columns of checked variables on a grid of `step_seconds`.
std::vector<GridColumn> grid_columns(const std::vector<GridVariable>& variables,
                                     std::int32_t step_seconds);

/// Shape of a launch.
struct GridBatch {
  std::int64_t stays = 0;
  std::int64_t events = 0;
  std::int32_t variables = 0;
  std::int32_t steps = 0;
  std::int32_t step_seconds = 0;
  float step_hours = 0;
  bool wide_time = false;      ///< float64 instead of float32
  bool wide_variable = false;  ///< int32 instead of int16
};

/// Arrays of a launch; see VitalsEvents and VitalsGrid.
struct GridArrays {
  const std::int64_t* offsets = nullptr;
  const void* time = nullptr;
  const void* variable = nullptr;
  const float* value = nullptr;
  const std::int64_t* given_length = nullptr;  ///< null: from the events
  const GridColumn* columns = nullptr;
  void* values = nullptr;
  float* mask = nullptr;
  float* delta = nullptr;
  std::int64_t* length = nullptr;
  std::int32_t* counts = nullptr;
};

/// The launcher in vitals_grid_cuda.cu; `scalar` is at::ScalarType's number of the values.
using VitalsGridLaunch = void(int device, int scalar, const GridBatch& batch,
                              const GridArrays& arrays);

/// The CPU half.
void vitals_grid_cpu(int scalar, const GridBatch& batch, const GridArrays& arrays);

/// Sign, exponent and the upper 41 bits of the significand of a time in float64: all of a float32,
/// and within 2 ms at 2^19 hours. With these few the product with 3600 fits 53 bits.
inline constexpr std::int64_t kTimeBits = -(std::int64_t{1} << 12);
inline constexpr std::int32_t kNoSecond = INT32_MIN;  ///< of a time that is NaN
inline constexpr std::int32_t kFarSecond = INT32_MAX;
inline constexpr std::int64_t kMostGridHours = std::int64_t{1} << 19;

/// Bits of a float32 -> bits of the same float64. Subnormal numbers (below 1e-34 s) become 0.
SALUS_HD std::int64_t widen_time(std::int32_t bits) {
  const std::int64_t sign = bits < 0 ? INT64_MIN : 0;
  const std::int64_t exponent = bits >> 23 & 0xff;
  const std::int64_t fraction = static_cast<std::int64_t>(bits & 0x7fffff) << 29;
  if (exponent == 0) return 0;
  return sign | (exponent == 0xff ? 0x7ff : exponent + 896) << 52 | fraction;
}

/// The time of event `e` as the bits of a float64.
SALUS_HD std::int64_t load_time(const GridBatch& batch, const GridArrays& arrays, std::int64_t e) {
  if (batch.wide_time) return static_cast<const std::int64_t*>(arrays.time)[e];
  return widen_time(static_cast<const std::int32_t*>(arrays.time)[e]);
}

SALUS_HD std::int32_t load_variable(const GridBatch& batch, const GridArrays& arrays,
                                    std::int64_t e) {
  if (batch.wide_variable) return static_cast<const std::int32_t*>(arrays.variable)[e];
  return static_cast<const std::int16_t*>(arrays.variable)[e];
}

/// Orders times as integers: a < b exactly if their orders are; both zeros are equal.
SALUS_HD std::int64_t time_order(std::int64_t bits) {
  return bits < 0 ? -(bits & INT64_MAX) : bits;
}

/// Nearest second of a time in hours, halves away from 0. Beyond 2^19 hours +-kFarSecond; NaN is
/// kNoSecond. With times in order of time_order(), seconds ascend.
SALUS_HD std::int32_t whole_seconds(std::int64_t bits) {
  const std::int32_t exponent = static_cast<std::int32_t>(bits >> 52 & 0x7ff) - 1023;
  const std::uint64_t fraction = static_cast<std::uint64_t>(bits) & ((std::uint64_t{1} << 52) - 1);
  if (exponent < -13) return 0;  // below 2^-13 h = 0.44 s
  if (exponent >= 19) {
    if (exponent == 1024 && fraction != 0) return kNoSecond;
    return bits < 0 ? -kFarSecond : kFarSecond;
  }
  const std::uint64_t significand =
      static_cast<std::uint64_t>(bits & kTimeBits) & ((std::uint64_t{1} << 52) - 1);
  const std::uint64_t product = ((significand | std::uint64_t{1} << 52) >> 12) * 3600;
  const int shift = 40 - exponent;
  const auto seconds =
      static_cast<std::int32_t>((product + (std::uint64_t{1} << (shift - 1))) >> shift);
  return bits < 0 ? -seconds : seconds;
}

/// The bin of a time on a grid of `step_seconds`; -1 before the stay and of a time that is NaN.
SALUS_HD std::int32_t bin_of(std::int64_t bits, std::int32_t step_seconds) {
  const std::int32_t second = whole_seconds(bits);
  return second < 0 ? -1 : second / step_seconds;
}

/// False for NaN and infinities whatever the range.
SALUS_HD bool is_plausible(const GridColumn& column, float value) {
  return value >= column.low && value <= column.high;
}

/// The events of one variable in one bin.
struct GridCell {
  float value = 0;
  std::int32_t count = 0;
  std::int64_t order = 0;  ///< time_order() of the value, for kLast

  SALUS_HD void add(Aggregate aggregate, float next, std::int64_t next_order) {
    if (count == 0) {
      value = next;
      order = next_order;
    } else if (aggregate == Aggregate::kLast) {
      if (next_order >= order) {
        value = next;
        order = next_order;
      }
    } else if (aggregate == Aggregate::kMean || aggregate == Aggregate::kSum) {
      value = value + next;
    } else if (aggregate == Aggregate::kMin) {
      value = next < value ? next : value;
    } else if (aggregate == Aggregate::kMax) {
      value = value < next ? next : value;
    }
    ++count;
  }
};

/// ln(1 + v) of v >= 0; the second term puts back what rounding 1 + v has lost.
SALUS_HD float log_one_plus(float v) {
  const float sum = 1.0f + v;
  const float log = natural_log<ScalarMath>(sum);
  return sum > 1e8f ? log : log + (v - (sum - 1.0f)) / sum;
}

/// What stands in the grid for a bin that has events. No product feeds a sum, so that no compiler
/// can fuse them on one device alone.
SALUS_HD float cell_value(const GridColumn& column, float value, std::int32_t count) {
  if (column.aggregate == Aggregate::kMean) value = value / static_cast<float>(count);
  if (column.aggregate == Aggregate::kCount) value = static_cast<float>(count);
  if (column.transform == GridTransform::kLog) value = natural_log<ScalarMath>(value);
  if (column.transform == GridTransform::kLog1p) value = log_one_plus(value);
  return (value - column.mean) * column.inverse_stddev;
}

}  // namespace salus::kernels
