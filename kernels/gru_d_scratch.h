#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/gru_d_plan.h"

// Working memory of one group of series: cut from one block, rows padded to whole vectors.

namespace salus::kernels {

/// What the input of one step becomes. Rows have room for whole vectors.
struct InputRow {
  float* x_last;  ///< [D] in and out: the last observed values
  float* inputs;  ///< [2 D] and 16 more: imputed values, then the mask as 0 and 1
  float* delta;   ///< [D] copy
  float* decay;   ///< [D] marked decay of the variables
};

struct ForwardScratch {
  ForwardScratch(const GruDSizes& sizes, float* memory) {
    Carver carver(memory);
    carve(sizes, carver);
  }
  static std::size_t floats(const GruDSizes& sizes) {
    ForwardScratch nothing(sizes, nullptr);
    return nothing.total;
  }

  /// Row `row` of the chunk, which belongs to series `r` of the group.
  InputRow input(const GruDSizes& sizes, std::int64_t r, std::int64_t row) const {
    const std::int64_t variables = sizes.padded_variables();
    return {x_last + r * variables, inputs + row * input_row, delta + row * variables,
            variable_decay + row * variables};
  }

  std::int64_t input_row = 0;                    ///< floats from one row of `inputs` to the next
  float *x_last, *state, *decayed, *state_sums;  ///< of each series of the group
  float *inputs, *delta, *variable_decay, *decay, *input_sums;  ///< of each row of the chunk
  std::size_t total = 0;

 private:
  void carve(const GruDSizes& sizes, Carver& carver) {
    constexpr std::int64_t kRows = kGroupRows * kChunkSteps;
    const std::int64_t units = sizes.padded_units(), variables = sizes.padded_variables();
    input_row = padded16(2 * sizes.variables) + 16;
    x_last = carver.take(kGroupRows * variables);
    state = carver.take(kGroupRows * units);
    decayed = carver.take(kGroupRows * units);
    state_sums = carver.take(kGroupRows * 3 * units);
    inputs = carver.take(kRows * input_row);
    delta = carver.take(kRows * variables);
    variable_decay = carver.take(kRows * variables);
    decay = carver.take(kRows * units);
    input_sums = carver.take(kRows * 3 * units);
    total = carver.used();
  }
};

/// What the backward pass needs beside the forward pass's.
struct BackwardScratch {
  BackwardScratch(const GruDSizes& sizes, float* memory) {
    constexpr std::int64_t kRows = kGroupRows * kChunkSteps;
    const std::int64_t units = sizes.padded_units(), variables = sizes.padded_variables();
    Carver carver(memory);
    chunk_x_last = carver.take((sizes.steps / kChunkSteps + 1) * kGroupRows * variables);
    grad_state = carver.take(kGroupRows * units);
    grad_x_last = carver.take(kGroupRows * variables);
    gates = carver.take(kRows * 4 * units);
    decayed = carver.take(kRows * units);
    decay = carver.take(kRows * units);
    values = carver.take(kRows * variables);
    delta = carver.take(kRows * variables);
    total = carver.used();
  }
  static std::size_t floats(const GruDSizes& sizes) {
    return BackwardScratch(sizes, nullptr).total;
  }

  float* chunk_x_last;              ///< [chunks, series, D]: x_last before each chunk
  float *grad_state, *grad_x_last;  ///< of each series: what the later steps ask for
  float* gates;                     ///< of each row: gradients of n, r, z and of U's n
  float *decayed, *decay;           ///< of each row: h^; gradient of the sum of gamma_h
  float *values, *delta;            ///< of each row: gradients of x^ and of delta
  std::size_t total = 0;
};

}  // namespace salus::kernels
