#pragma once

#include "kernels/clahe_plan.h"
#include "kernels/kernel_cost.h"

namespace salus::kernels {

/// One call on pixels of `bytes` bytes: each pixel is read once for the tables and once for the
/// result, the tables are written by the first launch and read by the second. A pixel is counted by
/// four integer instructions; its result takes its position, four entries and three interpolations.
/// A bin is cleared, clipped, summed and scaled.
inline KernelCost clahe_cost(const ClahePlan& plan, int bytes) {
  constexpr double kInteger = 2, kMultiplyAdd = 2;
  constexpr double kCount = 4 * kInteger, kBin = 12 * kInteger;
  constexpr double kApply = 3 * (1 + kMultiplyAdd) + 4 + 8 * kInteger;
  const double pixels = static_cast<double>(plan.pixels()) * plan.count;
  const double bins = static_cast<double>(plan.tiles()) * plan.levels() * plan.count;
  KernelCost cost;
  cost.bytes_read = 2 * pixels * bytes + bins * 2;
  cost.bytes_written = pixels * bytes + bins * 2;
  cost.operations = pixels * (kCount + kApply) + bins * kBin;
  cost.launches = 2;
  return cost;
}

}  // namespace salus::kernels
