#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace salus::kernels {

/// How narrow images are laid side by side in wider ones: image i lies in strip i / per_strip, from
/// column (i mod per_strip) * slot on; what is left of its slot is 0, and so are slots without an
/// image.
struct StripLayout {
  std::int64_t images = 0;     ///< N
  std::int64_t width = 0;      ///< of an image
  std::int64_t slot = 0;       ///< columns of an image and its gap; at least `width`
  std::int64_t per_strip = 0;  ///< images of a strip, at least 1

  std::int64_t strips() const { return (images + per_strip - 1) / per_strip; }
};

/// The images as strips: x [N, C, H, width] -> [strips, C, H, per_strip * slot].
///
/// A convolution whose padding is at most slot - width then sees at an image's edge the zeros that
/// it would have been padded with, and works on rows that are long enough for its vectors.
///
/// \param x  [N, C, H, W] on the CPU, any dtype; other layouts than channels-last are copied to it.
/// \returns the dtype of `x`, channels-last.
/// \throws c10::Error for other devices or dimensions, or a layout that is not that of `x`.
at::Tensor side_by_side(const at::Tensor& x, const StripLayout& layout);

/// The images of strips: [strips, C, H, per_strip * slot] -> [N, C, H, width]. What lies between
/// them is left out. It is the transpose of side_by_side(): each is the other's gradient.
///
/// \throws c10::Error for other devices or dimensions, or a layout that is not that of `strips`.
at::Tensor take_apart(const at::Tensor& strips, const StripLayout& layout);

}  // namespace salus::kernels
