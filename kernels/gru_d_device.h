#pragma once

#include "kernels/gru_d_arguments.h"
#include "kernels/gru_d_tasks.h"

// How a GPU runs gru_d: what does not depend on the state is a few large products over all steps
// (cuBLAS), the rest is the kernels of gru_d.cuh.

namespace salus::kernels {

/// The kernels, wherever they run: on the GPU, or in a test under the emulator.
class GruDKernels {
 public:
  virtual ~GruDKernels() = default;
  virtual void impute(const GruDImputeTask& task) const = 0;
  virtual void impute_backward(const GruDImputeBackwardTask& task) const = 0;
  virtual void forward(const GruDForwardTask& task) const = 0;
  virtual void backward(const GruDBackwardTask& task) const = 0;
  virtual void step(const GruDStepTask& task) const = 0;
  virtual void step_backward(const GruDStepBackwardTask& task) const = 0;
};

/// float32 results of checked arguments, on their device.
GruDOutput gru_d_forward_by(const GruDKernels& kernels, const GruDArguments& arguments, bool save);
GruDGradients gru_d_backward_by(const GruDKernels& kernels, const GruDArguments& arguments,
                                const at::Tensor& saved, const at::Tensor& grad_hidden,
                                const at::Tensor& grad_last, bool want_values, bool want_delta);

}  // namespace salus::kernels
