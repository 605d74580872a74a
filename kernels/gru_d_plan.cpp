#include "kernels/gru_d_plan.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <numeric>

namespace salus::kernels {
namespace {

AlignedFloats padded(const float* from, std::int64_t count) {
  AlignedFloats to(static_cast<std::size_t>(padded16(count)));
  std::copy_n(from, count, to.begin());
  return to;
}

/// The biases of three gates, each padded.
AlignedFloats padded_gates(const float* from, const GruDSizes& sizes) {
  AlignedFloats to(static_cast<std::size_t>(3 * sizes.padded_units()));
  for (std::int64_t gate = 0; gate < 3; ++gate) {
    std::copy_n(from + gate * sizes.units, sizes.units, to.begin() + gate * sizes.padded_units());
  }
  return to;
}

/// A weight of one or three gates [gates * H, columns], its rows by padded unit; 0 in the padding.
class GateWeight {
 public:
  GateWeight(const float* data, std::int64_t gates, const GruDSizes& sizes, std::int64_t columns)
      : columns_(columns), rows_(static_cast<std::size_t>(gates * sizes.padded_units())) {
    for (std::int64_t gate = 0; gate < gates; ++gate) {
      for (std::int64_t unit = 0; unit < sizes.units; ++unit) {
        rows_[gate * sizes.padded_units() + unit] = data + (gate * sizes.units + unit) * columns;
      }
    }
  }

  float at(std::int64_t row, std::int64_t column) const {
    const float* found = rows_[static_cast<std::size_t>(row)];
    return found == nullptr || column >= columns_ ? 0.0f : found[column];
  }

 private:
  std::int64_t columns_;
  std::vector<const float*> rows_;
};

}  // namespace

GruDForwardWeights pack_forward(const GruDSizes& sizes, const GruDWeights& w) {
  const std::int64_t units = sizes.padded_units();
  const GateWeight input(w.weight_ih, 3, sizes, 2 * sizes.variables);
  const GateWeight state(w.weight_hh, 3, sizes, sizes.units);
  const GateWeight decay(w.hidden_decay_weight, 1, sizes, sizes.variables);
  const auto transposed = [](const GateWeight& weight) {
    return [&weight](std::int64_t k, std::int64_t j) { return weight.at(j, k); };
  };
  return {.sizes = sizes,
          .input = pack_panels(2 * sizes.variables, 3 * units, transposed(input)),
          .state = pack_panels(sizes.units, 3 * units, transposed(state)),
          .decay = pack_panels(sizes.variables, units, transposed(decay)),
          .input_bias = padded_gates(w.bias_ih, sizes),
          .state_bias = padded_gates(w.bias_hh, sizes),
          .decay_bias = padded(w.hidden_decay_bias, sizes.units),
          .input_decay_weight = padded(w.input_decay_weight, sizes.variables),
          .input_decay_bias = padded(w.input_decay_bias, sizes.variables),
          .mean = padded(w.mean, sizes.variables)};
}

GruDBackwardWeights pack_backward(const GruDSizes& sizes, const GruDWeights& w) {
  const std::int64_t units = sizes.padded_units(), variables = sizes.padded_variables();
  const GateWeight input(w.weight_ih, 3, sizes, 2 * sizes.variables);
  const GateWeight state(w.weight_hh, 3, sizes, sizes.units);
  const GateWeight decay(w.hidden_decay_weight, 1, sizes, sizes.variables);
  const auto of_values = [&](std::int64_t k, std::int64_t j) {
    // n, r, z: the order in which the gradients lie, so that U's r, z, n follow on.
    const std::int64_t row = k < units ? k + 2 * units : k - units;
    return j < sizes.variables ? input.at(row, j) : 0.0f;
  };
  return {.values = pack_panels(3 * units, variables, of_values),
          .state = pack_panels(3 * units, units,
                               [&](std::int64_t k, std::int64_t j) { return state.at(k, j); }),
          .decay = pack_panels(units, variables,
                               [&](std::int64_t k, std::int64_t j) { return decay.at(k, j); }),
          .zeros = AlignedFloats(static_cast<std::size_t>(std::max(units, variables)))};
}

std::vector<std::int64_t> longest_first(const GruDSeries& series) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(series.sizes.series));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return series.length[a] > series.length[b];
  });
  return order;
}

GruDSumsLayout::GruDSumsLayout(const GruDSizes& sizes) {
  const std::int64_t units = sizes.padded_units(), variables = sizes.padded_variables();
  input_columns = padded16(2 * sizes.variables);
  input = 0;
  state = input + 3 * units * input_columns;
  decay = state + 3 * units * units;
  gate_bias = decay + units * variables;
  decay_bias = gate_bias + 4 * units;
  input_decay_weight = decay_bias + units;
  input_decay_bias = input_decay_weight + variables;
  mean = input_decay_bias + variables;
  size = mean + variables;
}

void for_each_group(std::int64_t count, std::size_t floats,
                    const std::function<void(std::int64_t, float*)>& work) {
  std::atomic<std::int64_t> next{0};
  const std::int64_t workers = std::min<std::int64_t>(count, at::get_num_threads());
  at::parallel_for(0, workers, 1, [&](std::int64_t, std::int64_t) {
    AlignedFloats memory;
    for (std::int64_t i = next++; i < count; i = next++) {
      if (memory.empty()) memory.resize(floats);
      work(i, memory.data());
    }
  });
}

}  // namespace salus::kernels
