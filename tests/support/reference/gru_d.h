#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/gru_d.h"

namespace salus::reference {

struct GruDResult {
  at::Tensor hidden;  ///< [N, T, H]
  at::Tensor last;    ///< [N, H]
};

/// The formula of Che et al. (2018) as kernels/gru_d.h states it, step by step in plain tensor
/// operators, in the dtype of its arguments (float64 in tests): autograd differentiates it.
GruDResult gru_d(const kernels::GruDInput& input, const kernels::GruDParameters& parameters);

/// The same tensors in float64, leaves that ask for gradients (length and mask do not).
kernels::GruDInput differentiable(const kernels::GruDInput& input);
kernels::GruDParameters differentiable(const kernels::GruDParameters& parameters);

}  // namespace salus::reference
