#pragma once

#include <cstdint>
#include <limits>

// How vitals_grid treats a variable. Apart from vitals_grid.h because kernel bodies and readers of
// files, which know no tensors, use it too.

namespace salus::kernels {

/// What the events of one variable in one bin become.
enum class Aggregate : std::int32_t {
  kLast,  ///< the value with the greatest time; of equal times the later row
  kMean,  ///< kSum divided by the number of events
  kMin,
  kMax,
  kSum,   ///< float32, added in the order of the rows
  kCount  ///< how many events; their values count only for the plausible range
};

/// Applied to the aggregated value, before the z-score.
enum class GridTransform : std::int32_t {
  kNone,
  kLog,    ///< natural logarithm; events below 2^-126 are outside the plausible range
  kLog1p,  ///< ln(1 + v); events below 0 are outside the plausible range
};

/// What stands where a variable has no value and none to carry forward.
enum class GridFill : std::int32_t {
  kMean,  ///< `mean`, which is 0 after the z-score
  kZero,  ///< a measured 0: what 0 becomes by transform and z-score; refused with kLog
  kNaN,
};

/// The columns of VitalsGrid::counts.
enum GridCount { kUsed, kOutsideRange, kOutsideGrid, kGridCounts };

/// One variable of the grid; its number is its position in VitalsGridSpec::variables.
struct GridVariable {
  Aggregate aggregate = Aggregate::kLast;
  GridTransform transform = GridTransform::kNone;
  GridFill fill = GridFill::kMean;
  /// Hours for which a bin's value is carried forward; infinity: for ever, 0: not at all. Rounded
  /// to whole seconds, then down to whole bins.
  double max_gap = std::numeric_limits<double>::infinity();
  double low = -std::numeric_limits<double>::infinity();  ///< plausible range, both ends included
  double high = std::numeric_limits<double>::infinity();
  double mean = 0;  ///< z-score, in the unit after the transform: (v - mean) / stddev
  double stddev = 1;
};

}  // namespace salus::kernels
