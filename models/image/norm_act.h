#pragma once

#include "models/image/layers.h"

namespace salus::models {

/// activation(norm(x) + residual).
///
/// In training, channels-last float32 and bfloat16 tensors on the CPU take the fused operator of
/// kernels/batch_norm_act.h; everything else is LibTorch's. Running statistics and the count of
/// batches change as in torch::nn::BatchNorm2d.
///
/// \param residual  undefined, or of the shape of `x`.
at::Tensor norm_act(torch::nn::BatchNorm2dImpl& norm, const at::Tensor& x, Activation activation,
                    const at::Tensor& residual = {});

}  // namespace salus::models
