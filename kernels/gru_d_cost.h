#pragma once

#include "kernels/gru_d_tasks.h"
#include "kernels/kernel_cost.h"

namespace salus::kernels {

/// gru_d_forward() in float32 with the results kept for the backward pass, at most
/// kMostPersistentUnits units: one launch imputes, two products (of the inputs with the gates, of
/// the deltas with the decay) give the sums, one launch runs all steps. What one launch leaves for
/// the next is written and read; weights are read once.
inline KernelCost gru_d_forward_cost(const GruDSizes& sizes) {
  constexpr double kImpute = 20, kGates = 60, kMultiplyAdd = 2, kFloat = 4;
  const auto d = static_cast<double>(sizes.variables), h = static_cast<double>(sizes.units);
  const auto series = static_cast<double>(sizes.series);
  const double rows = series * static_cast<double>(sizes.steps);
  const double inputs = rows * 3 * d, sums = rows * 4 * h;
  const double weights = 6 * h * d + 3 * h * h + h * d + 7 * h + 3 * d;
  KernelCost cost;
  cost.bytes_read = kFloat * (rows * 3 * d + series * h + weights + inputs + sums) + series * 8;
  cost.bytes_written = kFloat * (inputs + sums + rows * h + series * h +
                                 rows * static_cast<double>(sizes.saved_row()));
  cost.operations =
      rows * (d * kImpute + h * kGates + kMultiplyAdd * (2 * d * 3 * h + d * h + 3 * h * h));
  cost.launches = 4;
  return cost;
}

/// gru_d_backward() of the parameters alone, from what gru_d_forward() kept: one launch imputes again,
/// one runs all steps backwards, products of what it leaves with the inputs and states give the
/// gradients of the weights, and one launch goes back through the imputation.
inline KernelCost gru_d_backward_cost(const GruDSizes& sizes) {
  constexpr double kImpute = 45, kGates = 80, kMultiplyAdd = 2, kFloat = 4;
  const auto d = static_cast<double>(sizes.variables), h = static_cast<double>(sizes.units);
  const auto series = static_cast<double>(sizes.series);
  const double rows = series * static_cast<double>(sizes.steps);
  const double inputs = rows * 3 * d, gates = rows * 5 * h, of_values = rows * d;
  const double weights = 6 * h * d + 3 * h * h + h * d + 7 * h + 3 * d;
  KernelCost cost;
  cost.bytes_read = kFloat * (rows * 3 * d + inputs + gates + of_values + weights + series * h +
                              rows * (h + static_cast<double>(sizes.saved_row()))) +
                    series * 8;
  cost.bytes_written = kFloat * (inputs + gates + of_values + series * (h + 3 * d) + weights);
  cost.operations = rows * (d * kImpute + h * kGates +
                            kMultiplyAdd * (2 * d * 3 * h + 3 * h * h + d * h +  // of the weights
                                            3 * h * d +                          // of the inputs
                                            3 * h * h));                         // of the states
  cost.launches = 13;
  return cost;
}

}  // namespace salus::kernels
