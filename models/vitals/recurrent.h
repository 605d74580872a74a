#pragma once

#include "engine/core/registry.h"

namespace salus::models {

/// GRU and LSTM (torch.nn.GRU, torch.nn.LSTM: same names, cuDNN on the GPU; recurrent_layer.h on the
/// CPU) over values, mask and log(1 + delta). Stays are masked rather than packed: what lies beyond a
/// stay's length cannot reach the state at its end.
///
/// bidirectional = 1: half the units (rnn) run forward and half (rnn_reverse) from the stay's last
/// step to its first; layers of a direction see that direction only.
ModelEntry gru();
ModelEntry lstm();

}  // namespace salus::models
