#pragma once

#include <ATen/core/Tensor.h>

namespace salus::models {

/// max(scale * x + shift, 0) per channel, computed in float32; NaN stays NaN.
///
/// One pass, and on the CPU the same bits for a pixel wherever it stands in the batch: LibTorch's
/// own operators round the ends of a thread's share by another instruction than its middle.
///
/// \param x             float32 or bfloat16 [N, C, H, W].
/// \param scale, shift  float32 [C] on the device of `x`.
/// \returns the shape, dtype and layout of `x`.
at::Tensor scale_shift_relu(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift);

}  // namespace salus::models
