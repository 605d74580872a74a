#include "kernels/packed_linear.h"

#include <algorithm>

namespace salus::kernels {
namespace {

at::Tensor checked(const at::Tensor& tensor, at::IntArrayRef shape, const char* what) {
  TORCH_CHECK(tensor.is_cpu() && tensor.scalar_type() == at::kFloat && tensor.sizes() == shape,
              "packed_linear: the ", what, " must be float32 ", shape, " on the CPU, not ",
              tensor.scalar_type(), " ", tensor.sizes(), " on ", tensor.device(), ".");
  return tensor.contiguous();
}

}  // namespace

PackedLinear::PackedLinear(const at::Tensor& weight, const at::Tensor& bias, std::int64_t gates) {
  TORCH_CHECK(weight.dim() == 2 && gates >= 1 && weight.size(0) % gates == 0,
              "packed_linear: the weight must be [gates * H, inputs].");
  const std::int64_t units = weight.size(0) / gates, inputs = weight.size(1);
  const std::int64_t padded = padded16(units);
  const at::Tensor w = checked(weight, weight.sizes(), "weight");
  const float* from = w.const_data_ptr<float>();
  weight_ = pack_panels(inputs, gates * padded, [&](std::int64_t k, std::int64_t j) {
    const std::int64_t gate = j / padded, unit = j % padded;
    return unit < units ? from[(gate * units + unit) * inputs + k] : 0.0f;
  });
  bias_.resize(static_cast<std::size_t>(gates * padded));
  if (!bias.defined()) return;
  const at::Tensor b = checked(bias, {gates * units}, "bias");
  for (std::int64_t gate = 0; gate < gates; ++gate) {
    std::copy_n(b.const_data_ptr<float>() + gate * units, units, bias_.begin() + gate * padded);
  }
}

void PackedLinear::operator()(std::int64_t rows, const float* x, std::int64_t x_row,
                              float* y) const {
  multiply_panels_cpu(rows, x, x_row, weight_, bias_.data(), y);
}

}  // namespace salus::kernels
