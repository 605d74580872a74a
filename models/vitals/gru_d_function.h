#pragma once

#include "kernels/gru_d.h"

namespace salus::models {

/// What gru_d() gives: differentiable.
struct GruDStates {
  at::Tensor hidden;  ///< [N, T, H]
  at::Tensor last;    ///< [N, H]
};

/// kernels::gru_d_forward() known to autograd: gradients flow to values, delta, mean, initial and
/// every parameter, once (a gradient of a gradient is refused). What the backward pass needs is
/// kept only if something asks for a gradient.
///
/// It stands here, not in kernels/, because autograd's header costs 20 s a file and its only users
/// are models.
///
/// \throws c10::Error as kernels::gru_d_forward().
GruDStates gru_d(const kernels::GruDInput& input, const kernels::GruDParameters& parameters);

}  // namespace salus::models
