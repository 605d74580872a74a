#pragma once

#include "kernels/device.h"
#include "kernels/gru_d_tasks.h"

// The input's half of gru_d: one thread per series and variable walks through the steps, so that
// neighbouring threads read neighbouring variables and the last observed value stays in a register.

namespace salus::kernels {

inline constexpr unsigned kGruDElementThreads = 128;

/// One thread per series and column (variable or unit).
inline LaunchShape gru_d_element_shape(const GruDSizes& sizes, std::int64_t columns) {
  const std::int64_t all = sizes.series * columns;
  const auto blocks = static_cast<unsigned>((all + kGruDElementThreads - 1) / kGruDElementThreads);
  return {.grid = {blocks}, .block = {kGruDElementThreads}};
}

__device__ __forceinline__ int gru_d_length(const GruDSizes& sizes, const std::int64_t* length,
                                            std::int64_t n) {
  const std::int64_t steps = length[n];
  return static_cast<int>(steps < 0 ? 0 : steps < sizes.steps ? steps : sizes.steps);
}

__device__ __forceinline__ std::int64_t gru_d_thread() {
  return std::int64_t{blockIdx.x} * kGruDElementThreads + threadIdx.x;
}

__global__ void __launch_bounds__(kGruDElementThreads) gru_d_impute_kernel(GruDImputeTask task) {
  const std::int64_t d = task.sizes.variables;
  const std::int64_t series = gru_d_thread() / d, j = gru_d_thread() % d;
  if (series >= task.sizes.series) return;
  const std::int64_t length = gru_d_length(task.sizes, task.length, series);
  const float weight = task.decay_weight[j], bias = task.decay_bias[j], mean = task.mean[j];
  float before = mean;
  for (std::int64_t t = 0; t < task.sizes.steps; ++t) {
    const std::int64_t row = series * task.sizes.steps + t;
    float value = 0, mask = 0, delta = 0;
    if (t < length) {
      delta = task.delta[row * d + j];
      const bool observed = task.mask[row * d + j] != 0;
      if (observed) before = task.values[row * d + j];
      const float decay = fabsf(marked_decay<GateMath>(fmaf(weight, delta, bias)));
      value = observed ? before : fmaf(decay, before - mean, mean);
      mask = observed ? 1.0f : 0.0f;
    }
    float* to = task.inputs + row * 3 * d + j;
    to[0] = value;
    to[d] = mask;
    to[2 * d] = delta;
  }
}

__global__ void __launch_bounds__(kGruDElementThreads)
    gru_d_impute_backward_kernel(GruDImputeBackwardTask task) {
  const std::int64_t d = task.sizes.variables;
  const std::int64_t series = gru_d_thread() / d, j = gru_d_thread() % d;
  if (series >= task.sizes.series) return;
  const std::int64_t length = gru_d_length(task.sizes, task.length, series);
  const float weight = task.decay_weight[j], bias = task.decay_bias[j], mean = task.mean[j];
  float later = 0, of_weight = 0, of_bias = 0, of_mean = 0;
  for (std::int64_t t = task.sizes.steps; t-- > 0;) {
    const std::int64_t row = series * task.sizes.steps + t;
    float of_value = 0, of_sum = 0;
    if (t < length) {
      const float* from = task.inputs + row * 3 * d + j;
      const float of_input = task.of_inputs[row * d + j], delta = from[2 * d];
      if (from[d] != 0) {
        of_value = of_input + later;
        later = 0;
      } else {
        const float decay = marked_decay<GateMath>(fmaf(weight, delta, bias));
        // d x^ / d sum = -(x^ - mean) where the decay is on.
        if (decay > 0) of_sum = of_input * (mean - from[0]);
        of_weight = fmaf(of_sum, delta, of_weight);
        of_bias += of_sum;
        of_mean += fmaf(-fabsf(decay), of_input, of_input);
        later = fmaf(fabsf(decay), of_input, later);
      }
    }
    if (task.values != nullptr) task.values[row * d + j] = of_value;
    if (task.delta != nullptr) {
      task.delta[row * d + j] = t < length ? fmaf(of_sum, weight, task.delta[row * d + j]) : 0.0f;
    }
  }
  float* sums = task.sums + series * 3 * d + j;
  sums[0] = of_weight;
  sums[d] = of_bias;
  sums[2 * d] = of_mean + later;  // before anything was observed, x_last is the mean
}

}  // namespace salus::kernels
