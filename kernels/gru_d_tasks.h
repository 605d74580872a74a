#pragma once

#include "kernels/gru_d_math.h"

// What gru_d's CUDA kernels are asked to do; float32 arrays on the device, contiguous. Lengths are
// clamped to [0, T] by the kernels. Null pointers: not given, or not wanted.

namespace salus::kernels {

/// `inputs` [N, T, 3 D]: imputed values, mask as 0 and 1, delta; zeros beyond the length.
struct GruDImputeTask {
  GruDSizes sizes;
  const std::int64_t* length;
  const float *values, *mask, *delta, *mean, *decay_weight, *decay_bias;
  float* inputs;
};

/// From the gradient of the imputed values to those of what they were made of.
struct GruDImputeBackwardTask {
  GruDSizes sizes;
  const std::int64_t* length;
  const float *inputs, *mean, *decay_weight, *decay_bias;
  const float* of_inputs;  ///< [N, T, D]
  float* values;           ///< [N, T, D] or null
  float* delta;  ///< [N, T, D] or null; holds what comes by the hidden decay and is added to
  float* sums;   ///< [N, 3, D]: decay_weight, decay_bias and mean, per series
};

/// The steps of whole series, from the input's sums.
struct GruDForwardTask {
  GruDSizes sizes;
  const std::int64_t* length;
  const float* input_sums;  ///< [N, T, 3 H]
  const float* decay_sums;  ///< [N, T, H]
  const float *weight_hh, *bias_hh, *initial;
  float *hidden, *last, *saved;  ///< h^ in `saved` is 0 beyond the length
};

struct GruDBackwardTask {
  GruDSizes sizes;
  const std::int64_t* length;
  const float *weight_hh, *saved, *grad_hidden, *grad_last;
  float* gates;    ///< [N, T, 4 H]: gradients of the sums of n, r, z and of U's n
  float* decay;    ///< [N, T, H]: of the sum of gamma_h; both 0 beyond the length
  float* initial;  ///< [N, H]
};

/// One step of all series where U does not fit a multiprocessor: the gates of step `step` (none if
/// -1) from U h^ in `state_sums`, then h^ of the next step.
struct GruDStepTask {
  GruDForwardTask series;  ///< `last` is the state, renewed in place
  std::int64_t step;
  const float* state_sums;  ///< [N, 3 H], with bias
  float* decayed;           ///< [N, H]
};

/// The decay of step `step` + 1 (none if it is T), whose gradient of h^ is complete in
/// `grad_decayed`; then the gates of step `step` (none if -1), which leave their own share there.
struct GruDStepBackwardTask {
  GruDBackwardTask series;  ///< `initial` is the gradient of the state, renewed in place
  std::int64_t step;
  float* grad_decayed;  ///< [N, H]
};

using GruDImputeLaunch = void(int device, const GruDImputeTask& task);
using GruDImputeBackwardLaunch = void(int device, const GruDImputeBackwardTask& task);
using GruDForwardLaunch = void(int device, const GruDForwardTask& task);
using GruDBackwardLaunch = void(int device, const GruDBackwardTask& task);
using GruDStepLaunch = void(int device, const GruDStepTask& task);
using GruDStepBackwardLaunch = void(int device, const GruDStepBackwardTask& task);

/// Up to here U lies in the registers of one block of threads.
inline constexpr std::int64_t kMostPersistentUnits = 128;

}  // namespace salus::kernels
