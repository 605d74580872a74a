#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace salus::kernels {

/// The parameters of a GRU-D cell of D variables and H units. All of one dtype (float32 or
/// bfloat16), on one device.
struct GruDParameters {
  at::Tensor input_decay_weight;   ///< [D]: W_gamma_x of the paper, which is diagonal
  at::Tensor input_decay_bias;     ///< [D]
  at::Tensor hidden_decay_weight;  ///< [H, D]
  at::Tensor hidden_decay_bias;    ///< [H]
  at::Tensor weight_ih;            ///< [3 H, 2 D]: rows r, z, n; columns imputed values, then mask
  at::Tensor weight_hh;            ///< [3 H, H]: rows r, z, n
  at::Tensor bias_ih;              ///< [3 H]
  at::Tensor bias_hh;              ///< [3 H]
};

/// A batch of N series of at most T steps (engine/core/batch.h: "values", "mask", "delta",
/// "length").
struct GruDInput {
  at::Tensor values;   ///< [N, T, D], the parameters' dtype; not read where `mask` is 0
  at::Tensor mask;     ///< [N, T, D]: observed where not 0; the parameters' dtype, bool or uint8
  at::Tensor delta;    ///< [N, T, D], the parameters' dtype: time since the variable's last value
  at::Tensor length;   ///< int64 [N], 0 to T, on the CPU or on the values' device
  at::Tensor mean;     ///< [D], the parameters' dtype: what values decay to (0 if z-scored)
  at::Tensor initial;  ///< [N, H], the parameters' dtype: hidden state before the first step
};

/// What gru_d_forward() gives.
struct GruDOutput {
  at::Tensor hidden;  ///< [N, T, H]: the state after each step
  at::Tensor last;    ///< [N, H]: the state after `length` steps
  at::Tensor saved;   ///< float32 [N, T, 6, H rounded up to 16], opaque; undefined if not asked for
};

/// Gradients of gru_d_forward(): the shape and dtype of what they belong to. `values`, `delta` are
/// undefined unless asked for.
struct GruDGradients {
  at::Tensor values;
  at::Tensor delta;
  at::Tensor mean;
  at::Tensor initial;
  GruDParameters parameters;
};

/// The GRU-D recurrence (Che et al., "Recurrent Neural Networks for Multivariate Time Series with
/// Missing Values", Scientific Reports 8:6085, 2018) over whole series, as one operator.
///
/// Per step t < length, with m = 1 where `mask` is not 0, and x' the variable's last observed value
/// (before any: `mean`):
///   gamma_x = exp(-max(0, w_x * delta + b_x))              [D]
///   gamma_h = exp(-max(0, W_h delta + b_h))                [H]
///   x^ = m ? values : mean + gamma_x * (x' - mean)         [D]
///   h^ = gamma_h * h                                       [H]
///   r = sigmoid(W_ir [x^; m] + b_ir + U_r h^ + b_hr)
///   z = sigmoid(W_iz [x^; m] + b_iz + U_z h^ + b_hz)
///   n = tanh(W_in [x^; m] + b_in + r * (U_n h^ + b_hn))
///   h = n + z * (h^ - n)
/// This is the paper's cell in the form of torch.nn.GRU (and cuDNN): gates in the order r, z, n; z
/// keeps the old state (the paper's z is 1 - z here); r multiplies U_n h^ after the product, so
/// that a step needs one product with the state. Steps from `length` on leave the state as it is,
/// and `hidden` repeats it; their values, mask and delta are not read.
///
/// Arithmetic is float32 also for bfloat16, the state between steps included; results are rounded
/// once. tanh, sigmoid and exp are within 3e-7 (kernels/gate_formula-inl.h). On the CPU a series
/// has the same bits in any batch and with any number of threads. NaN where `mask` is 0 does not
/// matter; an observed NaN makes that series NaN from there on, and no other.
///
/// CUDA: current stream, no wait. Up to 128 units U stays in the registers of a persistent kernel,
/// beyond that each step is one cuBLAS product and one kernel.
///
/// \param save  keep what gru_d_backward() needs: 24 bytes per step and unit (9.4 MB for 128 series
///              of 48 steps and 64 units). The rest is computed again.
/// \throws c10::Error if shapes, dtypes or devices are not as stated, or a length on the CPU is not
///         in [0, T]. On CUDA lengths are clamped to that, because a check would wait for the GPU.
GruDOutput gru_d_forward(const GruDInput& input, const GruDParameters& parameters, bool save);

/// Gradients of a function of `hidden` and `last` from its gradients with respect to these.
///
/// max(0, v) has derivative 0 at v = 0, as torch.relu. Nothing flows through `mask`. Values beyond
/// `length` or not observed have gradient 0. On the CPU the bits do not depend on the number of
/// threads.
///
/// \param saved        gru_d_forward()'s, of the same input and parameters.
/// \param grad_hidden  [N, T, H], or undefined: 0.
/// \param grad_last    [N, H], or undefined: 0.
/// \param want_values, want_delta  which gradients of the input are wanted.
/// \throws c10::Error as gru_d_forward(), and if `saved` or a gradient has another shape.
GruDGradients gru_d_backward(const GruDInput& input, const GruDParameters& parameters,
                             const at::Tensor& saved, const at::Tensor& grad_hidden,
                             const at::Tensor& grad_last, bool want_values, bool want_delta);

}  // namespace salus::kernels
