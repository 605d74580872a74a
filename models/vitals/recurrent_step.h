#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "models/vitals/step_encoder.h"

namespace salus::models {

/// The weights of one layer of torch.nn.GRU or torch.nn.LSTM.
struct RecurrentLayer {
  at::Tensor weight_ih, weight_hh, bias_ih, bias_hh;
};

/// torch.nn.GRU (gates r, z, n) and torch.nn.LSTM (gates i, f, g, o) over series_of(), one bin at a
/// time. \throws c10::Error if the weights are not float32 on the CPU.
std::unique_ptr<StepEncoder> gru_step(std::int64_t variables,
                                      const std::vector<RecurrentLayer>& layers);
std::unique_ptr<StepEncoder> lstm_step(std::int64_t variables,
                                       const std::vector<RecurrentLayer>& layers);

}  // namespace salus::models
