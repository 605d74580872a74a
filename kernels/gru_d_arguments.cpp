#include "kernels/gru_d_arguments.h"

#include <ATen/TensorOperators.h>

#include <string_view>

namespace salus::kernels {
namespace {

/// Checks one tensor after the other against the first parameter's dtype and device.
class Checker {
 public:
  Checker(at::ScalarType dtype, at::Device device) : dtype_(dtype), device_(device) {}

  /// \returns `tensor` as float32, contiguous.
  at::Tensor real(const char* name, const at::Tensor& tensor, at::IntArrayRef shape) const {
    check(name, tensor, shape);
    TORCH_CHECK(tensor.scalar_type() == dtype_, "gru_d: ", name, " is ", tensor.scalar_type(),
                ", but values are ", dtype_, ": all must be of one dtype.");
    return tensor.to(at::kFloat).contiguous();
  }

  at::Tensor mask(const at::Tensor& tensor, at::IntArrayRef shape) const {
    check("mask", tensor, shape);
    const at::ScalarType type = tensor.scalar_type();
    TORCH_CHECK(type == dtype_ || type == at::kBool || type == at::kByte, "gru_d: mask is ", type,
                ", but must be ", dtype_, ", bool or uint8.");
    return tensor.to(at::kFloat).contiguous();
  }

  at::Tensor length(const at::Tensor& tensor, std::int64_t series, std::int64_t steps) const {
    TORCH_CHECK(tensor.defined() && tensor.scalar_type() == at::kLong && tensor.dim() == 1 &&
                    tensor.size(0) == series,
                "gru_d: length must be int64 [", series, "].");
    TORCH_CHECK(tensor.is_cpu() || tensor.device() == device_, "gru_d: length is on ",
                tensor.device(), ", but must be on the CPU or on ", device_, ".");
    const at::Tensor length = tensor.contiguous();
    if (length.is_cpu()) check_range(length.const_data_ptr<std::int64_t>(), series, steps);
    return length.to(device_);
  }

 private:
  void check(const char* name, const at::Tensor& tensor, at::IntArrayRef shape) const {
    TORCH_CHECK(tensor.defined(), "gru_d: ", name, " is missing.");
    TORCH_CHECK(tensor.sizes() == shape, "gru_d: ", name, " is ", tensor.sizes(), ", but must be ",
                shape, ".");
    TORCH_CHECK(tensor.device() == device_, "gru_d: ", name, " is on ", tensor.device(),
                ", but values are on ", device_, ".");
  }

  static void check_range(const std::int64_t* length, std::int64_t series, std::int64_t steps) {
    for (std::int64_t i = 0; i < series; ++i) {
      TORCH_CHECK(length[i] >= 0 && length[i] <= steps, "gru_d: length[", i, "] is ", length[i],
                  ", but must lie in [0, ", steps, "].");
    }
  }

  at::ScalarType dtype_;
  at::Device device_;
};

GruDSizes sizes_of(const GruDInput& input, const GruDParameters& parameters) {
  const at::Tensor& values = input.values;
  TORCH_CHECK(values.defined() && values.dim() == 3, "gru_d: values must be [N, T, D], not of ",
              values.defined() ? values.dim() : 0, " dimensions.");
  const at::ScalarType type = values.scalar_type();
  TORCH_CHECK(type == at::kFloat || type == at::kBFloat16,
              "gru_d: values must be float32 or bfloat16, not ", type, ".");
  TORCH_CHECK(values.is_cpu() || values.is_cuda(),
              "gru_d: values must be on the CPU or a CUDA device, not on ", values.device(), ".");
  TORCH_CHECK(parameters.weight_hh.defined() && parameters.weight_hh.dim() == 2,
              "gru_d: weight_hh must be [3 H, H].");
  const GruDSizes sizes{values.size(0), values.size(1), values.size(2),
                        parameters.weight_hh.size(1)};
  TORCH_CHECK(sizes.variables > 0 && sizes.units > 0,
              "gru_d: there must be at least one variable and one hidden unit.");
  return sizes;
}

}  // namespace

GruDArguments check_gru_d(const GruDInput& input, const GruDParameters& p) {
  const GruDSizes s = sizes_of(input, p);
  const std::int64_t n = s.series, t = s.steps, d = s.variables, h = s.units;
  const Checker c(input.values.scalar_type(), input.values.device());
  GruDArguments checked{s, {}, {}, input.values.scalar_type()};
  checked.input = {.values = c.real("values", input.values, {n, t, d}),
                   .mask = c.mask(input.mask, {n, t, d}),
                   .delta = c.real("delta", input.delta, {n, t, d}),
                   .length = c.length(input.length, n, t),
                   .mean = c.real("mean", input.mean, {d}),
                   .initial = c.real("initial", input.initial, {n, h})};
  checked.parameters = {
      .input_decay_weight = c.real("input_decay_weight", p.input_decay_weight, {d}),
      .input_decay_bias = c.real("input_decay_bias", p.input_decay_bias, {d}),
      .hidden_decay_weight = c.real("hidden_decay_weight", p.hidden_decay_weight, {h, d}),
      .hidden_decay_bias = c.real("hidden_decay_bias", p.hidden_decay_bias, {h}),
      .weight_ih = c.real("weight_ih", p.weight_ih, {3 * h, 2 * d}),
      .weight_hh = c.real("weight_hh", p.weight_hh, {3 * h, h}),
      .bias_ih = c.real("bias_ih", p.bias_ih, {3 * h}),
      .bias_hh = c.real("bias_hh", p.bias_hh, {3 * h})};
  return checked;
}

GruDWeights weights_of(const GruDArguments& a) {
  const GruDParameters& p = a.parameters;
  return {float_data(p.input_decay_weight),
          float_data(p.input_decay_bias),
          float_data(p.hidden_decay_weight),
          float_data(p.hidden_decay_bias),
          float_data(p.weight_ih),
          float_data(p.weight_hh),
          float_data(p.bias_ih),
          float_data(p.bias_hh),
          float_data(a.input.mean)};
}

}  // namespace salus::kernels
