#pragma once

#include "kernels/device.h"
#include "kernels/gru_d_impute.cuh"
#include "kernels/gru_d_tasks.h"

// The recurrence is one kernel over all steps: a block has four series and holds U in its
// registers. Thread (slice, unit) keeps the weights of its unit over a quarter of the units; it
// multiplies them with four series at once (one 128-bit read of shared memory for 12
// multiply-adds), and then is the one that does the gates of series `slice` and unit `unit`. Two
// barriers per step.

namespace salus::kernels {

inline constexpr int kGruDSlices = 4;  // of the inner index; and series per block

/// `units` rounded up to 32, 64 or 128, as the kernel's kUnits.
inline LaunchShape gru_d_recurrence_shape(const GruDSizes& sizes, int units) {
  const auto blocks = static_cast<unsigned>((sizes.series + kGruDSlices - 1) / kGruDSlices);
  return {.grid = {blocks},
          .block = {static_cast<unsigned>(kGruDSlices * units)},
          .shared_bytes = units <= 64 ? 0 : sizeof(float) * units * units};
}

/// A thread's share of U: of each gate a quarter of the weights of its unit. Those of three gates
/// of 128 units would not leave enough registers: the last gate's are in shared memory then.
template <int kUnits>
struct GruDWeightShare {
  static constexpr int kSlice = kUnits / kGruDSlices;
  static constexpr int kHeld = kUnits <= 64 ? 3 : 2;

  float held[kHeld][kSlice];
  float* shared;  ///< of this thread: nobody else reads it

  /// `weight(gate, k)` is the weight of the slice's k-th.
  template <class Weight>
  __device__ __forceinline__ void load(const Weight& weight) {
    if constexpr (kHeld < 3) {
      SALUS_DYNAMIC_SHARED(float, block);
      shared = block + threadIdx.x / kUnits * kSlice * kUnits + threadIdx.x % kUnits;
    }
    SALUS_UNROLL for (int k = 0; k < kSlice; ++k) {
      SALUS_UNROLL for (int gate = 0; gate < kHeld; ++gate) held[gate][k] = weight(gate, k);
      if constexpr (kHeld < 3) shared[k * kUnits] = weight(2, k);
    }
  }

  __device__ __forceinline__ float at(int gate, int k) const {
    if constexpr (kHeld < 3) {
      if (gate == 2) return shared[k * kUnits];
      return held[gate < kHeld ? gate : 0][k];
    } else {
      return held[gate][k];
    }
  }
};

/// One unit of one series: where its steps are read and written.
struct GruDUnit {
  std::int64_t series, unit, units, steps, padded;

  __device__ __forceinline__ std::int64_t at(std::int64_t t) const {
    return (series * steps + t) * units + unit;
  }
  __device__ __forceinline__ std::int64_t gates_at(std::int64_t t, int gates) const {
    return (series * steps + t) * gates * units + unit;
  }
  __device__ __forceinline__ std::int64_t saved_at(std::int64_t t) const {
    return (series * steps + t) * kSavedCount * padded + unit;
  }
};

__device__ __forceinline__ GruDUnit gru_d_unit(const GruDSizes& sizes, std::int64_t series,
                                               std::int64_t unit) {
  return {series, unit, sizes.units, sizes.steps, sizes.padded_units()};
}

/// What step `t` of a unit takes from the input.
struct GruDUnitInput {
  float r = 0, z = 0, n = 0, decay = 0;
};

__device__ __forceinline__ GruDUnitInput gru_d_read(const GruDForwardTask& task,
                                                    const GruDUnit& unit, std::int64_t t) {
  const float* sums = task.input_sums + unit.gates_at(t, 3);
  return {sums[0], sums[unit.units], sums[2 * unit.units], task.decay_sums[unit.at(t)]};
}

/// The gates of step `t`; writes what is kept of it. \returns the state.
__device__ __forceinline__ float gru_d_gates(const GruDForwardTask& task, const GruDUnit& unit,
                                             std::int64_t t, const GruDUnitInput& x,
                                             const float (&h)[3], float decayed, float decay) {
  float r, z, n, state;
  gru_gates<GateMath>(x.r, x.z, x.n, h[0], h[1], h[2], decayed, r, z, n, state);
  task.hidden[unit.at(t)] = state;
  if (task.saved != nullptr) {
    float* saved = task.saved + unit.saved_at(t);
    saved[kSavedR * unit.padded] = r;
    saved[kSavedZ * unit.padded] = z;
    saved[kSavedN * unit.padded] = n;
    saved[kSavedHn * unit.padded] = h[2];
    saved[kSavedDecayed * unit.padded] = decayed;
    saved[kSavedDecay * unit.padded] = decay;
  }
  return state;
}

/// A step beyond the length.
__device__ __forceinline__ void gru_d_repeat(const GruDForwardTask& task, const GruDUnit& unit,
                                             std::int64_t t, float state) {
  task.hidden[unit.at(t)] = state;
  if (task.saved != nullptr) task.saved[unit.saved_at(t) + kSavedDecayed * unit.padded] = 0;
}

/// Four series' values of one unit, as one 128-bit read.
__device__ __forceinline__ Pack<float, 4> gru_d_four(const float (&series)[kGruDSlices]) {
  static_assert(kGruDSlices == 4);
  return *reinterpret_cast<const Pack<float, 4>*>(series);
}

/// The longest of the block's series.
__device__ __forceinline__ int gru_d_longest(const GruDSizes& sizes, const std::int64_t* length) {
  int longest = 0;
  for (int i = 0; i < kGruDSlices; ++i) {
    const std::int64_t series = std::int64_t{blockIdx.x} * kGruDSlices + i;
    if (series >= sizes.series) break;
    const int one = gru_d_length(sizes, length, series);
    longest = one > longest ? one : longest;
  }
  return longest;
}

/// `kUnits` (32, 64 or 128): units rounded up.
template <int kUnits>
__global__ void __launch_bounds__(kGruDSlices* kUnits) gru_d_forward_kernel(GruDForwardTask task) {
  constexpr int kSlice = kUnits / kGruDSlices;
  SALUS_SHARED(float, decayed, [kUnits][kGruDSlices]);                  // h^ of four series
  SALUS_SHARED(float, partial, [kGruDSlices][3][kGruDSlices][kUnits]);  // slice, gate, series, unit
  const int unit = static_cast<int>(threadIdx.x) % kUnits;
  const int slice = static_cast<int>(threadIdx.x) / kUnits;
  const int units = static_cast<int>(task.sizes.units);
  const std::int64_t series = std::int64_t{blockIdx.x} * kGruDSlices + slice;
  const bool mine = unit < units && series < task.sizes.series;
  float bias[3];
  SALUS_UNROLL for (int gate = 0; gate < 3; ++gate) {
    bias[gate] = unit < units ? task.bias_hh[gate * units + unit] : 0.0f;
  }
  GruDWeightShare<kUnits> weight;
  weight.load([&](int gate, int k) {
    const int column = slice * kSlice + k;
    return unit < units && column < units ? task.weight_hh[(gate * units + unit) * units + column]
                                          : 0.0f;
  });
  const GruDUnit self = gru_d_unit(task.sizes, series, unit);
  const int length = mine ? gru_d_length(task.sizes, task.length, series) : 0;
  const int longest = gru_d_longest(task.sizes, task.length);
  float state = mine ? task.initial[series * units + unit] : 0.0f;
  GruDUnitInput next;
  if (length > 0) next = gru_d_read(task, self, 0);
  for (int t = 0; t < longest; ++t) {
    const GruDUnitInput x = next;
    if (t + 1 < length) next = gru_d_read(task, self, t + 1);  // while this step is computed
    const float decay = t < length ? marked_decay<GateMath>(x.decay) : 0.0f;
    const float own = fabsf(decay) * state;
    decayed[unit][slice] = t < length ? own : 0.0f;
    __syncthreads();
    float sum[3][kGruDSlices] = {};
    SALUS_UNROLL for (int k = 0; k < kSlice; ++k) {
      const Pack<float, 4> four = gru_d_four(decayed[slice * kSlice + k]);
      SALUS_UNROLL for (int gate = 0; gate < 3; ++gate) {
        const float w = weight.at(gate, k);
        SALUS_UNROLL for (int i = 0; i < kGruDSlices; ++i) {
          sum[gate][i] = fmaf(w, four.v[i], sum[gate][i]);
        }
      }
    }
    SALUS_UNROLL for (int gate = 0; gate < 3; ++gate) {
      SALUS_UNROLL for (int i = 0; i < kGruDSlices; ++i) {
        partial[slice][gate][i][unit] = sum[gate][i];
      }
    }
    __syncthreads();
    if (t < length) {
      float h[3];
      SALUS_UNROLL for (int gate = 0; gate < 3; ++gate) {
        h[gate] = bias[gate];
        SALUS_UNROLL for (int i = 0; i < kGruDSlices; ++i) {
          h[gate] += partial[i][gate][slice][unit];
        }
      }
      state = gru_d_gates(task, self, t, x, h, own, decay);
    }
  }
  if (!mine) return;
  for (std::int64_t t = length; t < task.sizes.steps; ++t) gru_d_repeat(task, self, t, state);
  task.last[series * units + unit] = state;
}

/// The gradients of one unit's sums in step `t`, from the state's.
struct GruDUnitGradient {
  float n = 0, r = 0, z = 0, hn = 0;
  float direct = 0;               ///< what z passes to h^
  float decayed = 0, decay = -1;  ///< as saved
};

__device__ __forceinline__ GruDUnitGradient gru_d_gates_backward(const GruDBackwardTask& task,
                                                                 const GruDUnit& unit,
                                                                 std::int64_t t, float of_state) {
  const float* saved = task.saved + unit.saved_at(t);
  GruDUnitGradient g;
  g.decayed = saved[kSavedDecayed * unit.padded];
  g.decay = saved[kSavedDecay * unit.padded];
  const float z = saved[kSavedZ * unit.padded];
  gru_gates_backward<GateMath>(of_state, saved[kSavedR * unit.padded], z,
                               saved[kSavedN * unit.padded], saved[kSavedHn * unit.padded],
                               g.decayed, g.r, g.z, g.n, g.hn);
  g.direct = of_state * z;
  return g;
}

__device__ __forceinline__ void gru_d_write(const GruDBackwardTask& task, const GruDUnit& unit,
                                            std::int64_t t, const GruDUnitGradient& g) {
  float* gates = task.gates + unit.gates_at(t, 4);
  gates[0] = g.n;
  gates[unit.units] = g.r;
  gates[2 * unit.units] = g.z;
  gates[3 * unit.units] = g.hn;
}

/// Writes the gradient of gamma_h's sum. \returns that of the state before.
__device__ __forceinline__ float gru_d_decay_backward(const GruDBackwardTask& task,
                                                      const GruDUnit& unit, std::int64_t t,
                                                      float of_decayed, float decayed,
                                                      float decay) {
  // d h^ / d sum = -h^ where the decay is on.
  task.decay[unit.at(t)] = decay > 0 ? -(of_decayed * decayed) : 0.0f;
  return of_decayed * fabsf(decay);
}

__device__ __forceinline__ float gru_d_given(const float* gradient, std::int64_t at) {
  return gradient == nullptr ? 0.0f : gradient[at];
}

/// The steps beyond the length. \returns the gradient of the state after the last real one.
__device__ __forceinline__ float gru_d_start_backward(const GruDBackwardTask& task,
                                                      const GruDUnit& unit, std::int64_t length) {
  float of_state = gru_d_given(task.grad_last, unit.series * unit.units + unit.unit);
  for (std::int64_t t = length; t < unit.steps; ++t) {
    of_state += gru_d_given(task.grad_hidden, unit.at(t));
    gru_d_write(task, unit, t, {});
    task.decay[unit.at(t)] = 0;
  }
  return of_state;
}

template <int kUnits>
__global__ void __launch_bounds__(kGruDSlices* kUnits)
    gru_d_backward_kernel(GruDBackwardTask task) {
  constexpr int kSlice = kUnits / kGruDSlices;
  SALUS_SHARED(float,
               of_gates, [3][kUnits][kGruDSlices]);  // gradients of r, z and U's n of four series
  SALUS_SHARED(float, partial, [kGruDSlices][kGruDSlices][kUnits]);  // slice, series, unit
  const int unit = static_cast<int>(threadIdx.x) % kUnits;
  const int slice = static_cast<int>(threadIdx.x) / kUnits;
  const int units = static_cast<int>(task.sizes.units);
  const std::int64_t series = std::int64_t{blockIdx.x} * kGruDSlices + slice;
  const bool mine = unit < units && series < task.sizes.series;
  GruDWeightShare<kUnits> weight;
  weight.load([&](int gate, int k) {
    const int row = slice * kSlice + k;
    return unit < units && row < units ? task.weight_hh[(gate * units + row) * units + unit] : 0.0f;
  });
  const GruDUnit self = gru_d_unit(task.sizes, series, unit);
  const int length = mine ? gru_d_length(task.sizes, task.length, series) : 0;
  float of_state = mine ? gru_d_start_backward(task, self, length) : 0.0f;
  for (int t = gru_d_longest(task.sizes, task.length); t-- > 0;) {
    GruDUnitGradient g;
    if (t < length) {
      of_state += gru_d_given(task.grad_hidden, self.at(t));
      g = gru_d_gates_backward(task, self, t, of_state);
      gru_d_write(task, self, t, g);
    }
    of_gates[0][unit][slice] = g.r;
    of_gates[1][unit][slice] = g.z;
    of_gates[2][unit][slice] = g.hn;
    __syncthreads();
    float sum[kGruDSlices] = {};
    SALUS_UNROLL for (int gate = 0; gate < 3; ++gate) {
      SALUS_UNROLL for (int k = 0; k < kSlice; ++k) {
        const Pack<float, 4> four = gru_d_four(of_gates[gate][slice * kSlice + k]);
        const float w = weight.at(gate, k);
        SALUS_UNROLL for (int i = 0; i < kGruDSlices; ++i) sum[i] = fmaf(w, four.v[i], sum[i]);
      }
    }
    SALUS_UNROLL for (int i = 0; i < kGruDSlices; ++i) partial[slice][i][unit] = sum[i];
    __syncthreads();
    if (t < length) {
      float of_decayed = g.direct;
      SALUS_UNROLL for (int i = 0; i < kGruDSlices; ++i) of_decayed += partial[i][slice][unit];
      of_state = gru_d_decay_backward(task, self, t, of_decayed, g.decayed, g.decay);
    }
  }
  if (mine) task.initial[series * units + unit] = of_state;
}

__global__ void __launch_bounds__(kGruDElementThreads) gru_d_step_kernel(GruDStepTask task) {
  const GruDForwardTask& all = task.series;
  const std::int64_t units = all.sizes.units, at = gru_d_thread();
  if (at >= all.sizes.series * units) return;
  const GruDUnit self = gru_d_unit(all.sizes, at / units, at % units);
  const std::int64_t length = gru_d_length(all.sizes, all.length, self.series);
  float state;
  if (task.step < 0) {
    state = all.initial[at];
  } else if (task.step < length) {
    const GruDUnitInput x = gru_d_read(all, self, task.step);
    const float* sums = task.state_sums + self.series * 3 * units + self.unit;
    const float h[3] = {sums[0], sums[units], sums[2 * units]};
    state =
        gru_d_gates(all, self, task.step, x, h, task.decayed[at], marked_decay<GateMath>(x.decay));
  } else {
    state = all.last[at];
    gru_d_repeat(all, self, task.step, state);
  }
  all.last[at] = state;
  const std::int64_t next = task.step + 1;
  if (next >= all.sizes.steps) return;
  const float sum = next < length ? all.decay_sums[self.at(next)] : 0.0f;
  task.decayed[at] = fabsf(marked_decay<GateMath>(sum)) * state;
}

__global__ void __launch_bounds__(kGruDElementThreads)
    gru_d_step_backward_kernel(GruDStepBackwardTask task) {
  const GruDBackwardTask& all = task.series;
  const std::int64_t units = all.sizes.units, at = gru_d_thread();
  if (at >= all.sizes.series * units) return;
  const GruDUnit self = gru_d_unit(all.sizes, at / units, at % units);
  const std::int64_t length = gru_d_length(all.sizes, all.length, self.series);
  const std::int64_t after = task.step + 1;
  float of_state = after == all.sizes.steps ? gru_d_given(all.grad_last, at) : all.initial[at];
  if (after < length) {
    const float* saved = all.saved + self.saved_at(after);
    of_state =
        gru_d_decay_backward(all, self, after, task.grad_decayed[at],
                             saved[kSavedDecayed * self.padded], saved[kSavedDecay * self.padded]);
  } else if (after < all.sizes.steps) {
    all.decay[self.at(after)] = 0;
  }
  if (task.step >= 0) {
    of_state += gru_d_given(all.grad_hidden, self.at(task.step));
    GruDUnitGradient g;
    if (task.step < length) g = gru_d_gates_backward(all, self, task.step, of_state);
    gru_d_write(all, self, task.step, g);
    task.grad_decayed[at] = g.direct;
  }
  all.initial[at] = of_state;
}

}  // namespace salus::kernels
