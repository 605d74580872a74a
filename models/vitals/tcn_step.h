#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "models/vitals/step_embedding.h"

namespace salus::models {

/// A causal convolution: weight [H, H, kernel], bias [H].
struct TcnLayer {
  at::Tensor weight, bias;
};

/// The network of models/vitals/tcn.h, one bin at a time.
///
/// \param layers  conv1 and conv2 of each block, in order; those of block i have dilation 2^i.
/// \throws c10::Error if the weights are not float32 on the CPU.
std::unique_ptr<StepEncoder> tcn_step(StepEmbedding embedding, const std::vector<TcnLayer>& layers);

}  // namespace salus::models
