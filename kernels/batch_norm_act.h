#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace salus::kernels {

/// What follows the normalisation: nothing, max(v, 0), or v / (1 + exp(-v)).
enum class NormActivation { kNone, kRelu, kSilu };

/// Scale and shift of a batch normalisation and what it divides by: float32 [C] each, CPU.
struct BatchNormParameters {
  at::Tensor weight, bias;
  double eps = 1e-5;  ///< added to the variance; at least 0
};

/// Result of batch_norm_act(). The statistics are those of the batch, float32 [C].
struct BatchNormOutput {
  at::Tensor y;
  at::Tensor mean;
  at::Tensor rstd;  ///< 1 / sqrt(variance + eps), variance over N H W (not N H W - 1)
};

/// Whether batch_norm_act() takes `x`: on the CPU, float32 or bfloat16, [N, C, H, W], not empty.
/// For others (CUDA tensors among them, where cuDNN does the same in as few passes) use ATen.
bool batch_norm_act_takes(const at::Tensor& x);

/// Batch normalisation of training, the sum with a residual and the activation, in two passes over
/// the memory: y = act((x - mean) rstd weight + bias + residual), with mean and variance of each
/// channel over the batch, as torch.nn.BatchNorm2d has them.
///
/// Computed in float32 and rounded once to the dtype of `x`; sums are float32 over parts of fixed
/// size, then double, so that every thread count gives the same bits. A NaN or infinity makes the
/// whole of its channel NaN.
///
/// \param x             float32 or bfloat16 [N, C, H, W] on the CPU; at least two values a channel.
///                      Other layouts than channels-last are copied to it.
/// \param residual      undefined, or of the shape and dtype of `x`.
/// \param running_mean, running_var  both undefined, or float32 [C], contiguous; updated in place:
///                      r = (1 - momentum) r + momentum (mean, or the unbiased variance).
/// \returns y in the dtype of `x`, channels-last, and what the gradient needs.
/// \throws c10::Error for other devices, dtypes and shapes, and for SiLU with a residual (its
///         gradient would need the residual again).
BatchNormOutput batch_norm_act(const at::Tensor& x, const at::Tensor& residual,
                               const BatchNormParameters& parameters, NormActivation activation,
                               const at::Tensor& running_mean = {},
                               const at::Tensor& running_var = {}, double momentum = 0.1);

/// Gradients of batch_norm_act() in the dtypes of what they belong to.
struct BatchNormGradients {
  at::Tensor x;
  at::Tensor residual;  ///< undefined if there was none
  at::Tensor weight, bias;
};

/// Gradient of batch_norm_act(): one pass that sums and one that writes.
///
/// \param dy         gradient of y, of its shape and dtype.
/// \param may_overwrite_dy  the caller has no further use for `dy` and nobody else holds its
/// memory:
///                   a result may then lie there.
/// \param forward    what batch_norm_act() returned; `y` may be undefined, unless ReLU came after a
///                   residual.
/// \throws c10::Error as batch_norm_act().
BatchNormGradients batch_norm_act_backward(const at::Tensor& dy, bool may_overwrite_dy,
                                           const at::Tensor& x, const BatchNormOutput& forward,
                                           bool has_residual, const BatchNormParameters& parameters,
                                           NormActivation activation);

}  // namespace salus::kernels
