#include "kernels/histogram_checks.h"

#include <c10/util/Exception.h>

#include <string>

namespace salus::kernels {

void check_gray_image(const char* name, const at::Tensor& image) {
  TORCH_CHECK(image.defined(), name, ": the image is an undefined tensor.");
  const auto type = image.scalar_type();
  TORCH_CHECK(type == at::kByte || type == at::kUInt16, name,
              ": the image must be uint8 or uint16, not ", type,
              ". Pass signed pixels as value + 2^(bits - 1).");
  TORCH_CHECK(image.dim() == 2 || image.dim() == 3 || (image.dim() == 4 && image.size(1) == 1),
              name, ": the image must be [H, W], [N, H, W] or [N, 1, H, W], not ", image.sizes(),
              ".");
  TORCH_CHECK(image.is_cpu() || image.is_cuda(), name,
              ": the image must be on the CPU or a CUDA device, not on ", image.device(), ".");
}

int check_bits(const char* name, const at::Tensor& image, std::int64_t bits) {
  const std::int64_t most = 8 * image.element_size();
  TORCH_CHECK(bits >= 0 && bits <= most, name, ": bits must lie in 1 to ", most,
              " (or be 0 for all), not be ", bits, ".");
  return static_cast<int>(bits == 0 ? most : bits);
}

std::pair<std::uint32_t, std::uint32_t> check_ignored(const char* name, int bits, std::int64_t low,
                                                      std::int64_t high) {
  if (low > high) return {1, 0};
  const std::int64_t top = (std::int64_t{1} << bits) - 1;
  TORCH_CHECK(low >= 0 && high <= top, name, ": ignored values must lie in 0 to ", top,
              ", not be [", low, ", ", high, "]; low above high ignores none.");
  return {static_cast<std::uint32_t>(low), static_cast<std::uint32_t>(high)};
}

void check_out_and_workspace(const char* name, const at::Tensor& image, const at::Tensor& out,
                             const at::Tensor& workspace, std::int64_t bytes) {
  TORCH_CHECK(image.is_contiguous(), name, ": the image must be contiguous.");
  TORCH_CHECK(out.defined() && out.sizes() == image.sizes() && out.is_contiguous() &&
                  out.scalar_type() == image.scalar_type() && out.device() == image.device(),
              name, ": out must be contiguous and have the shape, dtype and device of the image.");
  TORCH_CHECK(image.numel() == 0 || out.const_data_ptr() != image.const_data_ptr(), name,
              ": out must not be the image itself.");
  TORCH_CHECK(workspace.defined() && workspace.scalar_type() == at::kByte &&
                  workspace.is_contiguous() && workspace.device() == image.device() &&
                  workspace.numel() >= bytes &&
                  reinterpret_cast<std::uintptr_t>(workspace.const_data_ptr()) % 16 == 0,
              name, ": workspace must be uint8 [", bytes,
              "] or more on the device of the image, contiguous, from a multiple of 16 bytes.");
}

}  // namespace salus::kernels
