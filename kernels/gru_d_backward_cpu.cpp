// CPU half of gru_d's backward pass. A group of series runs back through its steps, chunk by chunk;
// the gradients of the weights are products over the rows of a chunk while these are in the cache.
#include <algorithm>

#include "kernels/gru_d_plan.h"
#include "kernels/gru_d_scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gru_d_backward_cpu.cpp"
// Tiles are arrays of vectors, which these instruction sets cannot have.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#include <hwy/foreach_target.h>
// Highway's own header last: it reads HWY_TARGET.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace salus::kernels {
namespace HWY_NAMESPACE {

#include "kernels/gru_d_rows-inl.h"

/// What one group's backward pass reads and adds to.
struct Backward : GruDGroup {
  const GruDForwardWeights& forward;
  const GruDBackwardWeights& weights;
  const GruDGradientArrays& arrays;
  const GruDSumsLayout& layout;
  float* sums;
  ForwardScratch f;
  BackwardScratch b;
};

/// The rows of a chunk lie by step, and in a step by series.
struct Chunk {
  std::int64_t begin, end, rows;
  std::int64_t active[kChunkSteps], first[kChunkSteps];
};

Chunk chunk_of(const Backward& g, std::int64_t begin, std::int64_t end) {
  Chunk chunk{begin, end, 0, {}, {}};
  for (std::int64_t t = begin; t < end; ++t) {
    chunk.first[t - begin] = chunk.rows;
    chunk.active[t - begin] = g.active(t);
    chunk.rows += chunk.active[t - begin];
  }
  return chunk;
}

HWY_INLINE void add_to(float* to, V v) { store(hn::Add(load(to), v), to); }

HWY_INLINE void add_first(const float* from, std::int64_t count, float* to) {
  for (std::int64_t j = 0; j < count; j += kLanes) add_to(to + j, load_first(from + j, count - j));
}

/// The last observed values before each chunk.
void find_x_last(const Backward& g) {
  const GruDSizes& sizes = g.series.sizes;
  const std::int64_t variables = sizes.padded_variables();
  for (std::int64_t r = 0; r < g.size; ++r) {
    float* now = g.f.x_last + r * variables;
    std::copy_n(g.forward.mean.data(), variables, now);
    for (std::int64_t t = 0; t < g.length(r); ++t) {
      if (t % kChunkSteps == 0) {
        std::copy_n(now, variables,
                    g.b.chunk_x_last + (t / kChunkSteps * kGroupRows + r) * variables);
      }
      const std::int64_t at = g.step(r, t) * sizes.variables;
      for (std::int64_t j = 0; j < sizes.variables; j += kLanes) {
        const std::int64_t here = sizes.variables - j;
        const auto observed = hn::Ne(load_first(g.series.mask + at + j, here), hn::Zero(D()));
        const V value = load_first(g.series.values + at + j, here);
        store(hn::IfThenElse(observed, value, load(now + j)), now + j);
      }
    }
  }
}

/// Imputed values, mask, delta and decays of the chunk's rows, again.
void repeat_inputs(const Backward& g, const Chunk& chunk) {
  const GruDSizes& sizes = g.series.sizes;
  const std::int64_t variables = sizes.padded_variables();
  std::copy_n(g.b.chunk_x_last + chunk.begin / kChunkSteps * kGroupRows * variables,
              kGroupRows * variables, g.f.x_last);
  for (std::int64_t t = chunk.begin; t < chunk.end; ++t) {
    for (std::int64_t r = 0; r < chunk.active[t - chunk.begin]; ++r) {
      const std::int64_t at = g.step(r, t) * sizes.variables;
      impute_row(g.forward, g.series.values + at, g.series.mask + at, g.series.delta + at,
                 g.f.input(sizes, r, chunk.first[t - chunk.begin] + r));
    }
  }
}

/// What the state after the last step of series `r` gets from outside.
void start_series(const Backward& g, std::int64_t r) {
  const GruDSizes& sizes = g.series.sizes;
  float* grad = g.b.grad_state + r * sizes.padded_units();
  std::fill_n(grad, sizes.padded_units(), 0.0f);
  if (g.arrays.grad_last != nullptr) {
    add_first(g.arrays.grad_last + g.members[r] * sizes.units, sizes.units, grad);
  }
  if (g.arrays.grad_hidden == nullptr) return;
  for (std::int64_t t = g.length(r); t < sizes.steps; ++t) {
    add_first(g.arrays.grad_hidden + g.step(r, t) * sizes.units, sizes.units, grad);
  }
}

/// The gates' half of one row's step: gradients of the sums, and what z passes to h^.
HWY_INLINE void gate_row_backward(const float* saved, std::int64_t units, float* grad, float* gates,
                                  float* decayed, float* bias) {
  for (std::int64_t j = 0; j < units; j += kLanes) {
    const V of_state = load(grad + j), z = load(saved + kSavedZ * units + j);
    const V before = load(saved + kSavedDecayed * units + j);
    V of_r = z, of_z = z, of_n = z, of_hn = z;
    gru_gates_backward<VectorGateMath>(
        of_state, load(saved + kSavedR * units + j), z, load(saved + kSavedN * units + j),
        load(saved + kSavedHn * units + j), before, of_r, of_z, of_n, of_hn);
    const V parts[4] = {of_n, of_r, of_z, of_hn};
    for (int i = 0; i < 4; ++i) {
      store(parts[i], gates + i * units + j);
      add_to(bias + i * units + j, parts[i]);
    }
    store(hn::Mul(of_state, z), grad + j);
    store(before, decayed + j);
  }
}

/// From the gradient of h^ to those of gamma_h's sum and of the state before.
HWY_INLINE void decay_row_backward(const float* saved, std::int64_t units, float* grad,
                                   float* of_decay, float* bias) {
  const V zero = hn::Zero(D());
  for (std::int64_t j = 0; j < units; j += kLanes) {
    const V of_decayed = load(grad + j), decay = load(saved + kSavedDecay * units + j);
    // d h^ / d sum = -h^ where the decay is on.
    const V slope =
        hn::IfThenElseZero(hn::Gt(decay, zero), load(saved + kSavedDecayed * units + j));
    const V sum = hn::Neg(hn::Mul(of_decayed, slope));
    store(sum, of_decay + j);
    add_to(bias + j, sum);
    store(hn::Mul(of_decayed, hn::Abs(decay)), grad + j);
  }
}

void step_backward(const Backward& g, const Chunk& chunk, std::int64_t t) {
  const GruDSizes& sizes = g.series.sizes;
  const std::int64_t units = sizes.padded_units(), rows = chunk.active[t - chunk.begin];
  const std::int64_t first = chunk.first[t - chunk.begin];
  float* gates = g.b.gates + first * 4 * units;
  for (std::int64_t r = 0; r < rows; ++r) {
    if (t == g.length(r) - 1) start_series(g, r);
    float* grad = g.b.grad_state + r * units;
    if (g.arrays.grad_hidden != nullptr) {
      add_first(g.arrays.grad_hidden + g.step(r, t) * sizes.units, sizes.units, grad);
    }
    gate_row_backward(g.arrays.saved + g.step(r, t) * sizes.saved_row(), units, grad,
                      gates + r * 4 * units, g.b.decayed + (first + r) * units,
                      g.sums + g.layout.gate_bias);
  }
  multiply(Left{gates + units, 4 * units, 1}, rows, PanelColumns{g.weights.state}, 3 * units, units,
           Sums{g.b.grad_state, units, g.b.grad_state, units});
  for (std::int64_t r = 0; r < rows; ++r) {
    decay_row_backward(g.arrays.saved + g.step(r, t) * sizes.saved_row(), units,
                       g.b.grad_state + r * units, g.b.decay + (first + r) * units,
                       g.sums + g.layout.decay_bias);
  }
}

/// One row of the input: `values` holds the gradient of x^ and becomes the values' own; `later` is
/// what later steps ask of x_last.
HWY_INLINE void input_row_backward(const Backward& g, const InputRow& row, float* values,
                                   float* delta, float* later) {
  const GruDForwardWeights& w = g.forward;
  const V zero = hn::Zero(D());
  const float* mask = row.inputs + w.sizes.variables;
  for (std::int64_t j = 0; j < w.sizes.variables; j += kLanes) {
    const std::int64_t here = w.sizes.variables - j;
    const V of_input = load(values + j), decay = load(row.decay + j), kept = hn::Abs(decay);
    const V mean = load(w.mean.data() + j), carried = load(later + j);
    const auto observed = hn::Ne(load_first(mask + j, here), zero);
    const auto decaying = hn::AndNot(observed, hn::Gt(decay, zero));
    const V passed = hn::IfThenElse(observed, zero, of_input);
    // d x^ / d sum = -(x^ - mean) where the decay is on.
    const V slope = hn::IfThenElseZero(decaying, hn::Sub(mean, load(row.inputs + j)));
    const V of_sum = hn::Mul(of_input, slope);
    add_to(g.sums + g.layout.input_decay_weight + j, hn::Mul(of_sum, load(row.delta + j)));
    add_to(g.sums + g.layout.input_decay_bias + j, of_sum);
    add_to(g.sums + g.layout.mean + j, hn::NegMulAdd(kept, passed, passed));
    store(hn::IfThenElseZero(observed, hn::Add(of_input, carried)), values + j);
    store(hn::IfThenElse(observed, zero, hn::MulAdd(kept, passed, carried)), later + j);
    if (delta != nullptr) {
      store(hn::MulAdd(of_sum, load(w.input_decay_weight.data() + j), load(delta + j)), delta + j);
    }
  }
}

/// The input's half of a chunk, for all its rows at once.
void inputs_backward(const Backward& g, const Chunk& chunk) {
  const GruDSizes& sizes = g.series.sizes;
  const std::int64_t units = sizes.padded_units(), variables = sizes.padded_variables();
  multiply(Left{g.b.gates, 4 * units, 1}, chunk.rows, PanelColumns{g.weights.values}, 3 * units,
           variables, Sums{g.weights.zeros.data(), 0, g.b.values, variables});
  if (g.arrays.delta != nullptr) {
    multiply(Left{g.b.decay, units, 1}, chunk.rows, PanelColumns{g.weights.decay}, units, variables,
             Sums{g.weights.zeros.data(), 0, g.b.delta, variables});
  }
  for (std::int64_t t = chunk.end; t-- > chunk.begin;) {
    for (std::int64_t r = 0; r < chunk.active[t - chunk.begin]; ++r) {
      const std::int64_t row = chunk.first[t - chunk.begin] + r;
      float* values = g.b.values + row * variables;
      float* delta = g.arrays.delta == nullptr ? nullptr : g.b.delta + row * variables;
      input_row_backward(g, g.f.input(sizes, r, row), values, delta,
                         g.b.grad_x_last + r * variables);
      const std::int64_t at = g.step(r, t) * sizes.variables;
      if (g.arrays.values != nullptr) std::copy_n(values, sizes.variables, g.arrays.values + at);
      if (delta != nullptr) std::copy_n(delta, sizes.variables, g.arrays.delta + at);
    }
  }
}

void weights_backward(const Backward& g, std::int64_t rows) {
  const std::int64_t units = g.series.sizes.padded_units();
  const std::int64_t variables = g.series.sizes.padded_variables();
  add_outer(g.b.gates, 4 * units, 3 * units, g.f.inputs, g.f.input_row, g.layout.input_columns,
            rows, g.sums + g.layout.input);
  add_outer(g.b.gates + units, 4 * units, 3 * units, g.b.decayed, units, units, rows,
            g.sums + g.layout.state);
  add_outer(g.b.decay, units, units, g.f.delta, variables, variables, rows,
            g.sums + g.layout.decay);
}

void backward_group(const Backward& g) {
  const GruDSizes& sizes = g.series.sizes;
  const std::int64_t variables = sizes.padded_variables();
  find_x_last(g);
  std::fill_n(g.b.grad_x_last, kGroupRows * variables, 0.0f);
  const std::int64_t chunks = (g.length(0) + kChunkSteps - 1) / kChunkSteps;
  for (std::int64_t i = chunks; i-- > 0;) {
    const std::int64_t begin = i * kChunkSteps;
    const Chunk chunk = chunk_of(g, begin, std::min(begin + kChunkSteps, g.length(0)));
    repeat_inputs(g, chunk);
    for (std::int64_t t = chunk.end; t-- > chunk.begin;) step_backward(g, chunk, t);
    inputs_backward(g, chunk);
    weights_backward(g, chunk.rows);
  }
  for (std::int64_t r = 0; r < g.size; ++r) {
    if (g.length(r) == 0) start_series(g, r);
    std::copy_n(g.b.grad_state + r * sizes.padded_units(), sizes.units,
                g.arrays.initial + g.members[r] * sizes.units);
    // Before anything was observed, x_last is the mean.
    add_first(g.b.grad_x_last + r * variables, variables, g.sums + g.layout.mean);
  }
}

/// Adds the gradients of `size` series to `sums`.
void backward_members(const GruDSeries& series, const GruDForwardWeights& forward,
                      const GruDBackwardWeights& weights, const GruDGradientArrays& arrays,
                      const GruDSumsLayout& layout, const std::int64_t* members, std::int64_t size,
                      float* sums, float* memory) {
  backward_group({{series, members, size},
                  forward,
                  weights,
                  arrays,
                  layout,
                  sums,
                  ForwardScratch(series.sizes, memory),
                  BackwardScratch(series.sizes, memory + ForwardScratch::floats(series.sizes))});
}

/// Adds `shares` rows of `stride` floats, in their order, into the first; whole vectors.
void add_rows(std::int64_t shares, std::int64_t stride, std::int64_t count, float* rows) {
  for (std::int64_t i = 0; i < count; i += kLanes) {
    V sum = load(rows + i);
    for (std::int64_t share = 1; share < shares; ++share) {
      sum = hn::Add(sum, load(rows + share * stride + i));
    }
    store(sum, rows + i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace salus::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace salus::kernels {
namespace {

HWY_EXPORT(backward_members);
HWY_EXPORT(add_rows);

/// Into how many sums the groups are shared out: from the sizes alone, so that neither the bits nor
/// the memory (64 MB) depend on the number of threads.
std::int64_t share_count(std::int64_t groups, std::int64_t sums) {
  constexpr std::int64_t kMostFloats = 16 << 20;
  return std::clamp<std::int64_t>(std::min(groups, kMostFloats / sums), 1, 64);
}

void add_shares(std::int64_t shares, std::int64_t size, float* sums) {
  constexpr std::int64_t kPiece = 4096;
  const auto run = HWY_DYNAMIC_DISPATCH(add_rows);
  for_each_group((size + kPiece - 1) / kPiece, 0, [&](std::int64_t piece, float*) {
    const std::int64_t begin = piece * kPiece;
    run(shares, size, std::min(kPiece, size - begin), sums + begin);
  });
}

}  // namespace

AlignedFloats gru_d_backward_cpu(const GruDSeries& series, const GruDForwardWeights& forward,
                                 const GruDBackwardWeights& backward,
                                 const GruDGradientArrays& arrays) {
  const std::vector<std::int64_t> order = longest_first(series);
  const auto count = static_cast<std::int64_t>(order.size());
  const std::int64_t groups = (count + kGroupRows - 1) / kGroupRows;
  const GruDSumsLayout layout(series.sizes);
  const std::int64_t shares = share_count(groups, layout.size);
  AlignedFloats sums(static_cast<std::size_t>(shares * layout.size));
  const auto run = HWY_DYNAMIC_DISPATCH(backward_members);
  const std::size_t memory_size =
      ForwardScratch::floats(series.sizes) + BackwardScratch::floats(series.sizes);
  // A share takes every shares-th group: long and short series alike.
  for_each_group(shares, memory_size, [&](std::int64_t share, float* memory) {
    for (std::int64_t group = share; group < groups; group += shares) {
      const std::int64_t first = group * kGroupRows;
      run(series, forward, backward, arrays, layout, order.data() + first,
          std::min(kGroupRows, count - first), sums.data() + share * layout.size, memory);
    }
  });
  add_shares(shares, layout.size, sums.data());
  sums.resize(static_cast<std::size_t>(layout.size));
  return sums;
}

}  // namespace salus::kernels
#endif
