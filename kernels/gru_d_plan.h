#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/gru_d_math.h"
#include "kernels/panels.h"

// What the files of gru_d's CPU half share: packed weights, raw arrays, the order of the series.

namespace salus::kernels {

/// float32, contiguous, as in GruDParameters.
struct GruDWeights {
  const float *input_decay_weight, *input_decay_bias, *hidden_decay_weight, *hidden_decay_bias,
      *weight_ih, *weight_hh, *bias_ih, *bias_hh, *mean;
};

/// Weights of the forward pass. Vectors over units or variables are padded by zeros to 16; gates r,
/// z, n begin at 0, 1 and 2 times padded_units().
struct GruDForwardWeights {
  GruDSizes sizes;  ///< series and steps are not used
  Panels input;     ///< 2 D x 3 units
  Panels state;     ///< H x 3 units
  Panels decay;     ///< D x units
  AlignedFloats input_bias, state_bias, decay_bias, input_decay_weight, input_decay_bias, mean;
};

/// Weights of the backward pass: the transposes, rows of `values` in the order n, r, z, of `state`
/// in the order r, z, n; and zeros to start sums from.
struct GruDBackwardWeights {
  Panels values;  ///< 3 units x D: columns of imputed values alone
  Panels state;   ///< 3 units x H
  Panels decay;   ///< units x D
  AlignedFloats zeros;
};

GruDForwardWeights pack_forward(const GruDSizes& sizes, const GruDWeights& weights);
GruDBackwardWeights pack_backward(const GruDSizes& sizes, const GruDWeights& weights);

/// One call of the operator; float32, contiguous, shapes as in gru_d.h.
struct GruDSeries {
  GruDSizes sizes;
  const float *values, *mask, *delta, *initial;
  const std::int64_t* length;
};

/// Series are worked on in groups of 8 of similar length, this many steps at a time: the weights
/// then come from the first-level cache for the input's products, and from the second for the
/// state's.
inline constexpr std::int64_t kGroupRows = 8;
inline constexpr std::int64_t kChunkSteps = 8;

/// Whole series that are worked on together, at most kGroupRows, by descending length.
struct GruDGroup {
  const GruDSeries& series;
  const std::int64_t* members;
  std::int64_t size;

  std::int64_t length(std::int64_t r) const { return series.length[members[r]]; }
  /// Step t of the group's series r in [N, T].
  std::int64_t step(std::int64_t r, std::int64_t t) const {
    return members[r] * series.sizes.steps + t;
  }
  /// How many series reach step t: the first ones.
  std::int64_t active(std::int64_t t) const {
    std::int64_t count = 0;
    while (count < size && length(count) > t) ++count;
    return count;
  }
};

/// Positions of the series by descending length; equal ones keep their order.
std::vector<std::int64_t> longest_first(const GruDSeries& series);

/// `hidden` [N, T, H], `last` [N, H], `saved` [N, T, saved_row()] or null.
void gru_d_forward_cpu(const GruDSeries& series, const GruDForwardWeights& weights, float* hidden,
                       float* last, float* saved);

/// The gradients of the parameters as they are summed: gates n, r, z (of `input`) and r, z, n (of
/// `state`), padded units and variables; then vectors.
struct GruDSumsLayout {
  explicit GruDSumsLayout(const GruDSizes& sizes);
  std::int64_t input_columns;                               ///< of `input`: 2 D padded to 16
  std::int64_t input;                                       ///< [3 units, input_columns]
  std::int64_t state;                                       ///< [3 units, units]
  std::int64_t decay;                                       ///< [units, variables]
  std::int64_t gate_bias;                                   ///< [4 units]: n, r, z, n of `state`
  std::int64_t decay_bias;                                  ///< [units]
  std::int64_t input_decay_weight, input_decay_bias, mean;  ///< [variables]
  std::int64_t size;
};

/// The forward pass's results and what is to be differentiated; null = 0 or not wanted.
struct GruDGradientArrays {
  const float *saved, *grad_hidden, *grad_last;
  float *values, *delta;  ///< [N, T, D], zero on entry
  float* initial;         ///< [N, H]
};

/// \returns the sums over all series, as GruDSumsLayout says.
AlignedFloats gru_d_backward_cpu(const GruDSeries& series, const GruDForwardWeights& forward,
                                 const GruDBackwardWeights& backward,
                                 const GruDGradientArrays& arrays);

/// One step of up to kGroupRows series; `state` [rows, H] and `x_last` [rows, D] are renewed.
/// `workspace` has ForwardScratch::floats().
void gru_d_step_cpu(const GruDForwardWeights& weights, std::int64_t rows, const float* values,
                    const float* mask, const float* delta, float* state, float* x_last,
                    float* workspace);

/// Runs `work(i, memory)` for i in [0, count), each once; threads take the next when they are done,
/// each with `floats` of zeroed memory of its own.
void for_each_group(std::int64_t count, std::size_t floats,
                    const std::function<void(std::int64_t, float*)>& work);

}  // namespace salus::kernels
