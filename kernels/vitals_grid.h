#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "kernels/vitals_grid_variable.h"

namespace salus::kernels {

struct VitalsGridSpec {
  std::vector<GridVariable> variables;  ///< D, at least 1
  double step = 1;                      ///< hours per bin; rounded to whole seconds, at least 1 s
  std::int64_t steps = 48;              ///< T, bins per stay
  at::ScalarType dtype = at::kFloat;    ///< of the values: float32, float16 or bfloat16
};

/// The events of N stays in CSR form, all on one device, contiguous. Events of a stay may be in any
/// order; in order of time they are read once on CUDA, otherwise once per 32 bins.
struct VitalsEvents {
  at::Tensor offsets;  ///< int64 [N + 1], ascending: stay n has rows offsets[n] to offsets[n+1] - 1
  at::Tensor time;     ///< float32 or float64 [E], hours since the stay began
  at::Tensor variable;  ///< int16 or int32 [E]; numbers outside [0, D) are left out
  at::Tensor value;     ///< float32 [E]; NaN and infinities are outside every plausible range
};

struct VitalsGrid {
  at::Tensor values;  ///< spec.dtype [N, T, D], never missing unless the fill is kNaN
  at::Tensor mask;    ///< float32 [N, T, D]: 1 where the bin has an event, 0 where not
  at::Tensor delta;   ///< float32 [N, T, D], hours
  at::Tensor length;  ///< int64 [N], valid bins, at most T
  at::Tensor counts;  ///< int32 [N, D, kGridCounts]: events used, outside the plausible range, and
                      ///< (else) without a bin below `length`: too early, too late or NaN in time
};

/// Irregular events -> regular grid with forward fill, mask and the time delta of GRU-D.
///
/// Bin t holds the events with t <= (time + half a second) / step < t + 1, where time is in whole
/// seconds: 47 h 55 min falls into the same bin as float32 and as float64. Per stay and variable:
///   x_t      aggregate of bin t's events inside the plausible range, transformed, z-scored
///   mask_t   1 if there is one
///   value_t  x_t; else the latest x_s, s < t, if (t - s) step <= max_gap; else the fill
///   delta_0  0
///   delta_t  step + (1 - mask_{t-1}) delta_{t-1}          (s_t = t step)
/// after equation 2 of Che et al., "Recurrent Neural Networks for Multivariate Time Series with
/// Missing Values" (Scientific Reports 8, 2018): the mask of the step before counts, and a variable
/// never seen ages from the first bin. delta is (t - s) times step, rounded once, not a running
/// sum. Bins at `length` and after are 0 in values, mask and delta.
///
/// Same bits on CPU (any instruction set and number of threads) and CUDA, NaN payloads apart, and
/// in any batch. On CUDA one launch on the current stream, one warp per stay and variable; it does
/// not wait, and may be captured in a graph.
class VitalsGridPlan {
 public:
  /// Checks `spec` and puts its variables on `device` (CPU or CUDA).
  /// \throws c10::Error naming the variable and value: not finite or negative where not allowed,
  ///         low above high, stddev not above 0, kZero with kLog, no variables, more than 2^15;
  ///         steps below 1 or above 2^30; a step below one second; a grid of more than 2^19 hours;
  ///         other dtypes.
  VitalsGridPlan(VitalsGridSpec spec, at::Device device);

  /// \param length  int64 [N] on the events' device, clamped to [0, T]; events at or after it are
  ///                outside the grid. Undefined: up to the stay's last event of any variable, known
  ///                or not (0 if it has none at or after time 0).
  /// \throws c10::Error for tensors other than described (dtype, shape, device, layout); on the CPU
  ///         also for offsets that descend or leave [0, E]. On CUDA, where nothing is read back,
  ///         such offsets are clamped.
  VitalsGrid operator()(const VitalsEvents& events, const at::Tensor& length = {}) const;

  /// The same into tensors that the caller owns, as made by empty(); nothing is allocated.
  void run(const VitalsEvents& events, const at::Tensor& length, const VitalsGrid& grid) const;

  /// The bin that a time falls into; -1 before the stay. A time that is not a number has none:
  /// \throws c10::Error.
  std::int64_t bin(double hours) const;

  /// Uninitialised results for `stays` stays.
  VitalsGrid empty(std::int64_t stays) const;

  const VitalsGridSpec& spec() const { return spec_; }

 private:
  void check_grid(const VitalsGrid& grid, std::int64_t stays) const;

  VitalsGridSpec spec_;
  at::Device device_;
  at::Tensor table_;  // one GridColumn per variable, as bytes on `device_`
  std::int32_t step_seconds_ = 0;
};

/// VitalsGridPlan for one batch.
VitalsGrid vitals_grid(const VitalsEvents& events, const VitalsGridSpec& spec,
                       const at::Tensor& length = {});

}  // namespace salus::kernels
