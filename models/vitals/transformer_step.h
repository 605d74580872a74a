#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "models/vitals/step_embedding.h"

namespace salus::models {

/// Weight and bias of a linear layer or a normalisation.
struct WeightAndBias {
  at::Tensor weight, bias;
};

/// One block of models/vitals/transformer.h; distance_bias [heads, window].
struct TransformerLayer {
  WeightAndBias norm1, norm2, qkv, project, expand, contract;
  at::Tensor distance_bias;
};

/// The network of models/vitals/transformer.h, one bin at a time: a block keeps the keys and values
/// of its window in a ring, and a step costs the same whatever the series' length.
/// \throws c10::Error if the weights are not float32 on the CPU.
std::unique_ptr<StepEncoder> transformer_step(StepEmbedding embedding,
                                              const std::vector<TransformerLayer>& layers,
                                              const WeightAndBias& norm);

}  // namespace salus::models
