#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace salus::kernels {

struct EqualizeSpec {
  std::int64_t bits = 0;  ///< BitsStored, 1 to the bits of the type; 0 = all of the type's
  std::int64_t ignore_low =
      0;  ///< values in [ignore_low, ignore_high] (pixel padding, say) are not
  std::int64_t ignore_high = -1;  ///< counted and stay as they are; none if low > high
};

/// Histogram equalisation of each image as cv::equalizeHist does on 8 bits (equal to the bit), with
/// 2^bits bins.
///
/// With m the lowest value that was counted and c its count, value v becomes
/// round((count of values up to v, less c) * ((2^bits - 1) / (counted pixels - c))) in float32,
/// ties to even: m becomes 0 and the highest value 2^bits - 1. An image of one value (or of none
/// that is counted) stays as it is. Values of 2^bits and above are taken as 2^bits - 1 throughout;
/// for signed pixels and for what holds on threads, batches and devices see clahe.h.
///
/// \param image  uint8 or uint16 [H, W], [N, H, W] or [N, 1, H, W], CPU or CUDA, at most 2^30
/// pixels
///               an image; non-contiguous ones are copied first.
/// \returns a new contiguous tensor of the same shape, dtype and device.
/// \throws c10::Error for other tensors, and for values of `spec` outside of what is stated above.
at::Tensor histogram_equalize(const at::Tensor& image, const EqualizeSpec& spec = {});

/// Bytes that histogram_equalize_out() needs as workspace for `image`.
/// \throws c10::Error as histogram_equalize() does.
std::int64_t histogram_equalize_workspace_bytes(const at::Tensor& image, const EqualizeSpec& spec);

/// The same without any allocation; parameters as those of clahe_out().
/// \throws c10::Error as histogram_equalize() does, or if `out` or `workspace` is not as there.
void histogram_equalize_out(const at::Tensor& image, const EqualizeSpec& spec,
                            const at::Tensor& out, const at::Tensor& workspace);

}  // namespace salus::kernels
