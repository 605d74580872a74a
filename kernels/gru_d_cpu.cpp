// CPU half of gru_d's forward pass: threads over groups of series, vectors over units.
#include <algorithm>
#include <cstring>

#include "kernels/gru_d_plan.h"
#include "kernels/gru_d_scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gru_d_cpu.cpp"
// Tiles are arrays of vectors, which these instruction sets cannot have.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#include <hwy/foreach_target.h>
// Highway's own header last: it reads HWY_TARGET.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace salus::kernels {
namespace HWY_NAMESPACE {

#include "kernels/gru_d_rows-inl.h"

/// The state's half of one step for `rows` rows, whose input sums and decays are known.
/// `saved(r)` is where row r's step is kept, or null.
template <class Saved>
void advance(const GruDForwardWeights& w, std::int64_t rows, const float* input_sums,
             const float* decay, const ForwardScratch& s, const Saved& saved) {
  const std::int64_t units = w.sizes.padded_units();
  for (std::int64_t r = 0; r < rows; ++r) {
    decay_state(s.state + r * units, decay + r * units, units, s.decayed + r * units);
  }
  multiply_weights(s.decayed, units, rows, w.state, w.state_bias.data(), s.state_sums);
  for (std::int64_t r = 0; r < rows; ++r) {
    gate_row(input_sums + r * 3 * units, s.state_sums + r * 3 * units, s.decayed + r * units,
             decay + r * units, units, s.state + r * units, saved(r));
  }
}

/// The input's half: all that does not depend on the state, of `rows` rows of any steps.
void prepare_inputs(const GruDForwardWeights& w, std::int64_t rows, const ForwardScratch& s) {
  const GruDSizes& sizes = w.sizes;
  multiply_weights(s.delta, sizes.padded_variables(), rows, w.decay, w.decay_bias.data(), s.decay);
  decay_rows(s.decay, rows * sizes.padded_units());
  multiply_weights(s.inputs, s.input_row, rows, w.input, w.input_bias.data(), s.input_sums);
}

/// A group and where its results go.
struct Group : GruDGroup {
  float *hidden, *last, *saved;
};

void impute_step(const GruDForwardWeights& w, const Group& group, std::int64_t t,
                 std::int64_t active, std::int64_t first_row, const ForwardScratch& s) {
  for (std::int64_t r = 0; r < active; ++r) {
    const std::int64_t at = group.step(r, t) * w.sizes.variables;
    impute_row(w, group.series.values + at, group.series.mask + at, group.series.delta + at,
               s.input(w.sizes, r, first_row + r));
  }
}

void forward_chunk(const GruDForwardWeights& w, const Group& group, std::int64_t begin,
                   std::int64_t end, const ForwardScratch& s) {
  const std::int64_t units = w.sizes.padded_units();
  std::int64_t active[kChunkSteps], rows = 0;
  for (std::int64_t t = begin; t < end; ++t) {
    active[t - begin] = group.active(t);
    impute_step(w, group, t, active[t - begin], rows, s);
    rows += active[t - begin];
  }
  prepare_inputs(w, rows, s);
  std::int64_t row = 0;
  for (std::int64_t t = begin; t < end; ++t) {
    const auto saved = [&](std::int64_t r) {
      return group.saved == nullptr ? nullptr
                                    : group.saved + group.step(r, t) * w.sizes.saved_row();
    };
    advance(w, active[t - begin], s.input_sums + row * 3 * units, s.decay + row * units, s, saved);
    for (std::int64_t r = 0; r < active[t - begin]; ++r) {
      std::copy_n(s.state + r * units, w.sizes.units,
                  group.hidden + group.step(r, t) * w.sizes.units);
    }
    row += active[t - begin];
  }
}

void forward_group(const GruDForwardWeights& w, const Group& group, float* memory) {
  const GruDSizes& sizes = group.series.sizes;
  const ForwardScratch s(sizes, memory);
  const std::int64_t units = sizes.padded_units();
  for (std::int64_t r = 0; r < group.size; ++r) {
    std::copy_n(group.series.initial + group.members[r] * sizes.units, sizes.units,
                s.state + r * units);
    std::copy_n(w.mean.data(), sizes.padded_variables(), s.x_last + r * sizes.padded_variables());
  }
  for (std::int64_t t = 0; t < group.length(0); t += kChunkSteps) {
    forward_chunk(w, group, t, std::min(t + kChunkSteps, group.length(0)), s);
  }
  for (std::int64_t r = 0; r < group.size; ++r) {
    const float* state = s.state + r * units;
    for (std::int64_t t = group.length(r); t < sizes.steps; ++t) {
      std::copy_n(state, sizes.units, group.hidden + group.step(r, t) * sizes.units);
    }
    std::copy_n(state, sizes.units, group.last + group.members[r] * sizes.units);
  }
}

void forward_members(const GruDSeries& series, const GruDForwardWeights& w,
                     const std::int64_t* members, std::int64_t size, float* hidden, float* last,
                     float* saved, float* memory) {
  forward_group(w, Group{{series, members, size}, hidden, last, saved}, memory);
}

void step_rows(const GruDForwardWeights& w, std::int64_t rows, const float* values,
               const float* mask, const float* delta, float* state, float* x_last, float* memory) {
  const GruDSizes& sizes = w.sizes;
  const ForwardScratch s(sizes, memory);
  for (std::int64_t r = 0; r < rows; ++r) {
    float* row_state = s.state + r * sizes.padded_units();
    std::fill_n(row_state, sizes.padded_units(), 0.0f);
    std::copy_n(state + r * sizes.units, sizes.units, row_state);
    const InputRow view = s.input(sizes, r, r);
    std::copy_n(x_last + r * sizes.variables, sizes.variables, view.x_last);
    const std::int64_t at = r * sizes.variables;
    impute_row(w, values + at, mask + at, delta + at, view);
    std::copy_n(view.x_last, sizes.variables, x_last + at);
  }
  prepare_inputs(w, rows, s);
  advance(w, rows, s.input_sums, s.decay, s, [](std::int64_t) -> float* { return nullptr; });
  for (std::int64_t r = 0; r < rows; ++r) {
    std::copy_n(s.state + r * sizes.padded_units(), sizes.units, state + r * sizes.units);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace salus::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace salus::kernels {

HWY_EXPORT(forward_members);
HWY_EXPORT(step_rows);

void gru_d_forward_cpu(const GruDSeries& series, const GruDForwardWeights& weights, float* hidden,
                       float* last, float* saved) {
  const std::vector<std::int64_t> order = longest_first(series);
  const auto count = static_cast<std::int64_t>(order.size());
  const auto run = HWY_DYNAMIC_DISPATCH(forward_members);
  for_each_group((count + kGroupRows - 1) / kGroupRows, ForwardScratch::floats(series.sizes),
                 [&](std::int64_t group, float* memory) {
                   const std::int64_t first = group * kGroupRows;
                   run(series, weights, order.data() + first, std::min(kGroupRows, count - first),
                       hidden, last, saved, memory);
                 });
}

void gru_d_step_cpu(const GruDForwardWeights& weights, std::int64_t rows, const float* values,
                    const float* mask, const float* delta, float* state, float* x_last,
                    float* workspace) {
  HWY_DYNAMIC_DISPATCH(step_rows)
  (weights, rows, values, mask, delta, state, x_last, workspace);
}

}  // namespace salus::kernels
#endif
