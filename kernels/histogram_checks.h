#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>

namespace salus::kernels {

/// The checks that clahe and histogram_equalize share; `name` is the operator's.
/// \throws c10::Error if the image is not uint8 or uint16 [H, W], [N, H, W] or [N, 1, H, W] on the
///         CPU or a CUDA device.
void check_gray_image(const char* name, const at::Tensor& image);

/// Bits of a value: `bits`, or the type's if it is 0.
/// \throws c10::Error if the type does not have so many.
int check_bits(const char* name, const at::Tensor& image, std::int64_t bits);

/// The range of ignored values as 32-bit numbers; (1, 0) for none.
/// \throws c10::Error if it does not lie in [0, 2^bits).
std::pair<std::uint32_t, std::uint32_t> check_ignored(const char* name, int bits, std::int64_t low,
                                                      std::int64_t high);

/// \throws c10::Error if the image is not contiguous, `out` is not its like in other memory, or
///         `workspace` is not uint8 of `bytes` or more from a multiple of 16 bytes.
void check_out_and_workspace(const char* name, const at::Tensor& image, const at::Tensor& out,
                             const at::Tensor& workspace, std::int64_t bytes);

}  // namespace salus::kernels
