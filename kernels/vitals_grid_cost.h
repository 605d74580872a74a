#pragma once

#include "kernels/kernel_cost.h"
#include "kernels/vitals_grid_math.h"

namespace salus::kernels {

/// One call. Every event is read once (the survey of times and the search of every variable's warp
/// through the variables come again from the caches), every result is written once. Each variable's
/// warp looks at each event (load, compare, vote), each event goes to its bin by ten shuffles and
/// instructions of a whole warp, and each cell takes a logarithm's worth of fill, z-score and delta.
inline KernelCost vitals_grid_cost(const GridBatch& batch, int value_bytes) {
  constexpr double kInteger = 2, kWarpLanes = 32;
  constexpr double kLook = 4 * kInteger, kHand = 10 * kInteger * kWarpLanes, kCell = 40;
  const auto stays = static_cast<double>(batch.stays);
  const auto events = static_cast<double>(batch.events);
  const double cells = stays * batch.steps * batch.variables;
  KernelCost cost;
  cost.bytes_read = (stays + 1) * 8 +
                    events * ((batch.wide_time ? 8 : 4) + (batch.wide_variable ? 4 : 2) + 4) +
                    static_cast<double>(sizeof(GridColumn)) * batch.variables;
  cost.bytes_written = cells * (value_bytes + 4 + 4) + stays * 8 + stays * batch.variables * 12;
  cost.operations = events * (batch.variables * kLook + kHand) + cells * kCell;
  return cost;
}

}  // namespace salus::kernels
