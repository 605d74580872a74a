#pragma once

#include "kernels/gru_d_tasks.h"
#include "kernels/kernel_cost.h"

// All in float32, for series of full length. What one launch leaves for the next is written and
// read; a launch reads weights once.

namespace salus::kernels {

/// The sizes of gru_d as the formulas take them.
struct GruDCounts {
  double d, h, series, steps, rows;
  double saved;  ///< floats that the forward pass keeps

  explicit GruDCounts(const GruDSizes& sizes)
      : d(static_cast<double>(sizes.variables)),
        h(static_cast<double>(sizes.units)),
        series(static_cast<double>(sizes.series)),
        steps(static_cast<double>(sizes.steps)),
        rows(series * steps),
        saved(rows * static_cast<double>(sizes.saved_row())) {}
};

/// All steps forward, from the sums of the inputs. Up to kMostPersistentUnits units one launch has
/// the states and U in registers. Beyond, a launch makes the first decayed states h^; for each step
/// a product U h^ and a launch follow, which writes the states and the next h^.
inline KernelCost gru_d_forward_steps_cost(const GruDSizes& sizes) {
  constexpr double kGates = 60, kMultiplyAdd = 2, kFloat = 4, kLength = 8;
  const GruDCounts n(sizes);
  const double state = n.series * n.h, states = n.rows * n.h;
  const double weights = 3 * n.h * n.h + 3 * n.h, sums = 3 * states;
  KernelCost cost;
  cost.bytes_read = kFloat * (sums + states + state + weights);
  cost.bytes_written = kFloat * (states + n.saved + state);
  cost.operations = n.rows * (n.h * kGates + kMultiplyAdd * 3 * n.h * n.h);
  if (sizes.units <= kMostPersistentUnits) return cost;
  // h^ by the product and by the step, and each decay by two launches.
  cost.bytes_read += kFloat * (sums + 2 * states + states + (n.steps - 1) * weights);
  cost.bytes_read += kLength * n.series * (n.steps + 1);
  cost.bytes_written += kFloat * (sums + states + states);  // h^ and the state of every step
  cost.launches = static_cast<int>(2 * sizes.steps + 1);
  return cost;
}

/// All steps backwards, from what the forward pass kept to the gradients of the gates' and decays'
/// sums. Beyond kMostPersistentUnits units a launch does the decay of one step (two of the values
/// kept) and the gates of the step before (five); the product that follows adds U's share to the
/// gradient of h^.
inline KernelCost gru_d_backward_steps_cost(const GruDSizes& sizes) {
  constexpr double kGates = 80, kMultiplyAdd = 2, kFloat = 4, kLength = 8;
  const GruDCounts n(sizes);
  const double state = n.series * n.h, states = n.rows * n.h, weights = 3 * n.h * n.h;
  KernelCost cost;
  cost.bytes_read = kFloat * (n.saved + states + state + weights);
  cost.bytes_written = kFloat * (5 * states + state);
  cost.operations = n.rows * (n.h * kGates + kMultiplyAdd * weights);
  if (sizes.units <= kMostPersistentUnits) return cost;
  const double kept = (5 + 2) * states, of_sums = 3 * states, of_decayed = 2 * states;
  cost.bytes_read = kFloat * (kept + states + state + of_decayed + of_sums + n.steps * weights) +
                    kLength * n.series * (n.steps + 1);
  cost.bytes_written += kFloat * (of_decayed + states);  // and the state's of every step
  cost.launches = static_cast<int>(2 * sizes.steps + 1);
  return cost;
}

/// gru_d_forward() with the results kept for the backward pass: one launch imputes, two products
/// (of the inputs with the gates, of the deltas with the decay) give the sums; then all steps.
inline KernelCost gru_d_forward_cost(const GruDSizes& sizes) {
  constexpr double kImpute = 20, kMultiplyAdd = 2, kFloat = 4, kLength = 8;
  const GruDCounts n(sizes);
  const double inputs = n.rows * 3 * n.d, sums = n.rows * 4 * n.h;
  const double weights = 7 * n.h * n.d + 4 * n.h + 3 * n.d;
  KernelCost cost;
  cost.bytes_read = kFloat * (n.rows * 3 * n.d + weights + inputs) + kLength * n.series;
  cost.bytes_written = kFloat * (inputs + sums);
  cost.operations = n.rows * (n.d * kImpute + kMultiplyAdd * 7 * n.d * n.h);
  cost.launches = 3;
  cost += gru_d_forward_steps_cost(sizes);
  return cost;
}

/// gru_d_backward() of the parameters alone, from what gru_d_forward() kept: one launch imputes
/// again, all steps follow backwards, products of what they leave with the inputs and states give
/// the gradients of the weights, and one launch goes back through the imputation.
inline KernelCost gru_d_backward_cost(const GruDSizes& sizes) {
  constexpr double kImpute = 45, kMultiplyAdd = 2, kFloat = 4, kLength = 8;
  const GruDCounts n(sizes);
  const double inputs = n.rows * 3 * n.d, gates = n.rows * 5 * n.h, of_values = n.rows * n.d;
  const double weights = 7 * n.h * n.d + 7 * n.h + 3 * n.d, of_state = 3 * n.h * n.h;
  KernelCost cost;
  cost.bytes_read = kFloat * (n.rows * 3 * n.d + inputs + gates + of_values + weights);
  cost.bytes_read += kLength * n.series;
  cost.bytes_written = kFloat * (inputs + of_values + n.series * 3 * n.d + weights + of_state);
  cost.operations = n.rows * (n.d * kImpute + kMultiplyAdd * (7 * n.d * n.h + of_state +  // weights
                                                              3 * n.h * n.d));            // inputs
  cost.launches = 12;
  cost += gru_d_backward_steps_cost(sizes);
  return cost;
}

}  // namespace salus::kernels
