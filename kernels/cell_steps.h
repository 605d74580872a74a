#pragma once

#include <cstdint>

// One step of recurrent cells for some rows on one core, given the sums of their gates, and its
// derivative. Rows are padded to whole vectors; a row has the same bits in any company.
//
// units is a multiple of 16; G = 3 gates r, z, n of torch.nn.GRU, or 4 gates i, f, g, o of
// torch.nn.LSTM; `of_input` and `of_state` [rows, G units] are the gates' sums, biases included.
// States are [rows, units]; `after` may be `before`.

namespace salus::kernels {

/// \param saved  [rows, 4 units] for gru_cell_backward(), or null.
void gru_cell_step(std::int64_t rows, std::int64_t units, const float* of_input,
                   const float* of_state, const float* before, float* after, float* saved);

/// Gradients of the gates' sums and, but for what flows through the sums of the state, of the state
/// before.
///
/// \param grad      of the state after.
/// \param of_gates  [rows, 4 units], written: of n, r, z (of the input's sums), then of the state's n,
///                  so that r, z and that are those of the state's sums.
/// \param of_before  written.
void gru_cell_backward(std::int64_t rows, std::int64_t units, const float* saved,
                       const float* before, const float* grad, float* of_gates, float* of_before);

/// \param cell_before, cell_after  may be the same. \param saved  [rows, 4 units] or null.
void lstm_cell_step(std::int64_t rows, std::int64_t units, const float* of_input,
                    const float* of_state, const float* cell_before, float* cell_after,
                    float* hidden, float* saved);

/// \param grad       of the hidden state after. \param of_cell  of the cell after; becomes that of
///                   the cell before. \param of_gates  gradient of both sums, written.
void lstm_cell_backward(std::int64_t rows, std::int64_t units, const float* saved,
                        const float* cell_before, const float* cell_after, const float* grad,
                        float* of_cell, float* of_gates);

}  // namespace salus::kernels
