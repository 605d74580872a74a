#pragma once

#include "kernels/histogram_equalize_plan.h"
#include "kernels/kernel_cost.h"

namespace salus::kernels {

/// One call on pixels of `bytes` bytes: each pixel is read once to be counted and once for the
/// result; counts are cleared and summed, tables are made from them and read.
inline KernelCost histogram_equalize_cost(const EqualizePlan& plan, int bytes) {
  constexpr double kInteger = 2;
  constexpr double kCount = 4 * kInteger, kBin = 8 * kInteger, kApply = 3 * kInteger;
  const double pixels = static_cast<double>(plan.pixels) * plan.count;
  const double bins = static_cast<double>(plan.levels()) * plan.count;
  KernelCost cost;
  cost.bytes_read = 2 * pixels * bytes + bins * (4 + 2);
  cost.bytes_written = pixels * bytes + bins * (4 + 2);
  cost.operations = pixels * (kCount + kApply) + bins * kBin;
  cost.launches = 4;  // the first clears the counts
  return cost;
}

}  // namespace salus::kernels
