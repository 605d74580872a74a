#pragma once

#include "engine/core/registry.h"

namespace salus::models {

/// GRU and LSTM (torch.nn.GRU, torch.nn.LSTM: same names, cuDNN on the GPU) over values, mask and
/// log(1 + delta). Stays are masked rather than packed: what lies beyond a stay's length cannot
/// reach the state at its end.
ModelEntry gru();
ModelEntry lstm();

}  // namespace salus::models
