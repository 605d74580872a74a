#include "models/vitals/recurrent_step.h"

#include <algorithm>

#include "kernels/cell_steps.h"
#include "kernels/packed_linear.h"
#include "models/vitals/step_series.h"

namespace salus::models {
namespace {

using kernels::PackedLinear;

enum Kind { kGru, kLstm };

struct Layer {
  PackedLinear of_input, of_state;
};

/// The state of a series is, per layer, its hidden units and (LSTM) its cell, rows padded to whole
/// vectors.
class RecurrentStep : public StepEncoder {
 public:
  RecurrentStep(Kind kind, std::int64_t variables, const std::vector<RecurrentLayer>& layers)
      : kind_(kind), variables_(variables), hidden_(layers.front().weight_hh.size(1)) {
    for (const RecurrentLayer& layer : layers) {
      layers_.push_back({PackedLinear(layer.weight_ih, layer.bias_ih, gates()),
                         PackedLinear(layer.weight_hh, layer.bias_hh, gates())});
    }
  }

  std::int64_t state_floats() const override {
    return static_cast<std::int64_t>(layers_.size()) * layer_floats();
  }

  std::int64_t workspace_floats() const override {
    return static_cast<std::int64_t>(carve(nullptr).total);
  }

  void start(const float* initial, float* state) const override {
    std::fill_n(state, state_floats(), 0.0f);
    std::copy_n(initial, hidden_, state);
  }

  void step(const StepInput& input, float* const* states, float* hidden, std::int64_t hidden_row,
            float* workspace) const override {
    const Workspace w = carve(workspace);
    const std::int64_t rows = input.series;
    put_series(input, variables_, 3 * variables_, w.series);
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      // The layer below has left its state in w.hidden.
      const bool first = l == 0;
      layers_[l].of_input(rows, first ? w.series : w.hidden, first ? 3 * variables_ : units(),
                          w.of_input);
      step_layer(rows, l, states, w);
    }
    for (std::int64_t i = 0; i < rows; ++i) {
      std::copy_n(w.hidden + i * units(), hidden_, hidden + i * hidden_row);
    }
  }

 private:
  struct Workspace {
    float *series, *of_input, *of_state, *hidden, *cell;
    std::size_t total;
  };

  std::int64_t gates() const { return kind_ == kGru ? 3 : 4; }
  std::int64_t units() const { return kernels::padded16(hidden_); }
  std::int64_t layer_floats() const { return (kind_ == kGru ? 1 : 2) * units(); }

  Workspace carve(float* memory) const {
    kernels::Carver carver(memory);
    Workspace w{};
    w.series = carver.take(kRows * 3 * variables_);
    w.of_input = carver.take(kRows * gates() * units());
    w.of_state = carver.take(kRows * gates() * units());
    w.hidden = carver.take(kRows * units());
    w.cell = carver.take(kRows * units());
    w.total = carver.used();
    return w;
  }

  /// From the sums over the layer's input; leaves the new state also in w.hidden.
  void step_layer(std::int64_t rows, std::size_t layer, float* const* states,
                  const Workspace& w) const {
    const std::int64_t at = static_cast<std::int64_t>(layer) * layer_floats();
    const bool lstm = kind_ == kLstm;
    for (std::int64_t i = 0; i < rows; ++i) {
      std::copy_n(states[i] + at, units(), w.hidden + i * units());
      if (lstm) std::copy_n(states[i] + at + units(), units(), w.cell + i * units());
    }
    layers_[layer].of_state(rows, w.hidden, units(), w.of_state);
    lstm ? kernels::lstm_cell_step(rows, units(), w.of_input, w.of_state, w.hidden, w.cell)
         : kernels::gru_cell_step(rows, units(), w.of_input, w.of_state, w.hidden);
    for (std::int64_t i = 0; i < rows; ++i) {
      std::copy_n(w.hidden + i * units(), units(), states[i] + at);
      if (lstm) std::copy_n(w.cell + i * units(), units(), states[i] + at + units());
    }
  }

  Kind kind_;
  std::int64_t variables_, hidden_;
  std::vector<Layer> layers_;
};

}  // namespace

std::unique_ptr<StepEncoder> gru_step(std::int64_t variables,
                                      const std::vector<RecurrentLayer>& layers) {
  return std::make_unique<RecurrentStep>(kGru, variables, layers);
}

std::unique_ptr<StepEncoder> lstm_step(std::int64_t variables,
                                       const std::vector<RecurrentLayer>& layers) {
  return std::make_unique<RecurrentStep>(kLstm, variables, layers);
}

}  // namespace salus::models
