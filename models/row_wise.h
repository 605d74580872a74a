#pragma once

#include <torch/torch.h>

namespace salus::models {

/// linear(x) for x [N, ..., E]. Without gradients each case (row of the first axis) is multiplied on
/// its own: a matrix product rounds a row differently depending on its place among the others, and a
/// score must not depend on the batch it is in.
at::Tensor linear_by_row(torch::nn::Linear& linear, const at::Tensor& x);

}  // namespace salus::models
