#pragma once

#include <torch/torch.h>

namespace salus::models {

/// The weights of one layer of torch.nn.GRU or torch.nn.LSTM: [G H, inputs], [G H, H], [G H] twice.
struct RecurrentLayer {
  at::Tensor weight_ih, weight_hh, bias_ih, bias_hh;
};

/// The layer over whole series on the CPU in float32, known to autograd: a matrix product and one
/// pass over the gates a step, and the gradients of the weights as one product over all steps. What
/// torch.nn.GRU and torch.nn.LSTM compute, within 1e-6; a gradient of a gradient is refused.
///
/// \param series   [T, N, inputs]. \param initial  [N, H]; an LSTM's cell starts from 0.
/// \returns the state after each step, [T, N, H].
at::Tensor gru_layer(const at::Tensor& series, const at::Tensor& initial,
                     const RecurrentLayer& layer);
at::Tensor lstm_layer(const at::Tensor& series, const at::Tensor& initial,
                      const RecurrentLayer& layer);

}  // namespace salus::models
