#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/batch_norm_act.h"

namespace salus::reference {

/// Float64 results of batch_norm_act() and, for a gradient `dy` of y, of its gradient.
struct BatchNormAct {
  at::Tensor y, mean, rstd, variance;  ///< variance over N H W
  at::Tensor dx, dresidual, dweight, dbias;
};

/// The plain formula on whole tensors, differentiated by autograd. A value whose rectified sum is
/// within rounding of 0 may fall on either side: where `rectified` is given, its sign decides.
BatchNormAct batch_norm_act(const at::Tensor& x, const at::Tensor& residual,
                            const kernels::BatchNormParameters& parameters,
                            kernels::NormActivation activation, const at::Tensor& dy,
                            const at::Tensor& rectified = {});

}  // namespace salus::reference
