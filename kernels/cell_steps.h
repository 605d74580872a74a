#pragma once

#include <cstdint>

// One step of recurrent cells for a few rows on one core, given the sums of their gates. Rows are
// padded to whole vectors; a row has the same bits in any company.

namespace salus::kernels {

/// torch.nn.GRU's cell, gates r, z, n.
///
/// \param units     a multiple of 16. \param of_input, of_state  [rows, 3 units], biases included.
/// \param hidden    [rows, units], renewed.
void gru_cell_step(std::int64_t rows, std::int64_t units, const float* of_input,
                   const float* of_state, float* hidden);

/// torch.nn.LSTM's cell, gates i, f, g, o.
///
/// \param of_input, of_state  [rows, 4 units]. \param hidden, cell  [rows, units], renewed.
void lstm_cell_step(std::int64_t rows, std::int64_t units, const float* of_input,
                    const float* of_state, float* hidden, float* cell);

}  // namespace salus::kernels
