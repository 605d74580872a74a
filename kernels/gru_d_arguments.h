#pragma once

#include "kernels/gru_d.h"
#include "kernels/gru_d_plan.h"

// Checked and converted arguments of gru_d; what its CPU and CUDA halves take.

namespace salus::kernels {

/// float32, contiguous, all on one device; `length` int64 on it.
struct GruDArguments {
  GruDSizes sizes;
  GruDInput input;
  GruDParameters parameters;
  at::ScalarType dtype;  ///< of the results
};

/// Null if the tensor is not defined.
inline const float* float_data(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<float>() : nullptr;
}
inline float* mutable_float_data(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<float>() : nullptr;
}

/// \throws c10::Error as gru_d_forward().
GruDArguments check_gru_d(const GruDInput& input, const GruDParameters& parameters);

/// The CPU's view of the parameters.
GruDWeights weights_of(const GruDArguments& arguments);

/// The CUDA half (gru_d_device.h), float32 results.
GruDOutput gru_d_forward_cuda(const GruDArguments& arguments, bool save);
GruDGradients gru_d_backward_cuda(const GruDArguments& arguments, const at::Tensor& saved,
                                  const at::Tensor& grad_hidden, const at::Tensor& grad_last,
                                  bool want_values, bool want_delta);

}  // namespace salus::kernels
