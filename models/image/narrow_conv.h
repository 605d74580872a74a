#pragma once

#include <torch/torch.h>

#include <optional>

#include "kernels/side_by_side.h"

namespace salus::models {

/// How to lay the images of `x` side by side for a faster convolution in training; nothing where it
/// would not be faster, or not be the same convolution.
///
/// oneDNN's bfloat16 convolutions work on rows of one image. Rows of 4 or 7 pixels leave most of a
/// matrix tile empty: 512 channels of 4 x 4 pixels take 12 times as long to train as 64 channels of
/// 28 x 28, which are as many multiplications. Strips of 40 pixels bring that to 1.6 times.
std::optional<kernels::StripLayout> strips_for(const torch::nn::Conv2dImpl& conv,
                                               const at::Tensor& x);

/// convolve(x) by way of strips: `convolve` gets them and returns its strips.
template <typename Convolve>
at::Tensor convolve_strips(const at::Tensor& x, const kernels::StripLayout& layout,
                           std::int64_t stride, const Convolve& convolve);

/// kernels::side_by_side() and take_apart() with their gradients.
at::Tensor to_strips(const at::Tensor& x, const kernels::StripLayout& layout);
at::Tensor from_strips(const at::Tensor& strips, const kernels::StripLayout& layout);

template <typename Convolve>
at::Tensor convolve_strips(const at::Tensor& x, const kernels::StripLayout& layout,
                           std::int64_t stride, const Convolve& convolve) {
  kernels::StripLayout after = layout;
  after.width = (layout.width - 1) / stride + 1;
  after.slot = layout.slot / stride;
  return from_strips(convolve(to_strips(x, layout)), after);
}

}  // namespace salus::models
