#include "models/vitals/recurrent_layer.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "kernels/cell_steps.h"
#include "kernels/padding.h"
#include "models/wants_gradient.h"

namespace salus::models {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// What the steps of a layer work on, units padded to whole vectors: gates [G U].
struct Padded {
  at::Tensor weight_ih, weight_hh, bias_ih, bias_hh;
  std::int64_t gates, hidden, units;

  Padded(const RecurrentLayer& layer, std::int64_t gate_count)
      : gates(gate_count),
        hidden(layer.weight_hh.size(1)),
        units(kernels::padded16(layer.weight_hh.size(1))) {
    weight_ih = padded_rows(layer.weight_ih);
    weight_hh = at::constant_pad_nd(padded_rows(layer.weight_hh), {0, units - hidden});
    bias_ih = padded_rows(layer.bias_ih);
    bias_hh = padded_rows(layer.bias_hh);
  }

  at::Tensor padded_rows(const at::Tensor& weight) const {
    const std::int64_t columns = weight.numel() / (gates * hidden);
    const at::Tensor by_gate = weight.reshape({gates, hidden, columns});
    const at::Tensor padded = at::constant_pad_nd(by_gate, {0, 0, 0, units - hidden});
    return weight.dim() == 1 ? padded.flatten() : padded.reshape({gates * units, columns});
  }

  /// padded_rows() undone, of a gradient.
  at::Tensor rows_of(const at::Tensor& gradient) const {
    const std::int64_t columns = gradient.numel() / (gates * units);
    const at::Tensor kept = gradient.reshape({gates, units, columns}).narrow(1, 0, hidden);
    return gradient.dim() == 1 ? kept.flatten() : kept.reshape({gates * hidden, columns});
  }
};

/// f(first row, rows) on threads.
template <typename Function>
void over_rows(std::int64_t rows, const Function& f) {
  at::parallel_for(0, rows, 32,
                   [&](std::int64_t begin, std::int64_t end) { f(begin, end - begin); });
}

/// The number t of a tensor [T, rows, columns], from row `row` on.
float* row_of(const at::Tensor& tensor, std::int64_t t, std::int64_t row) {
  return tensor.data_ptr<float>() + (t * tensor.size(1) + row) * tensor.size(2);
}

/// The state before any step [N, U]; the states after each step and what the gates were, [T, N, U]
/// and [T, N, 4 U]. An LSTM's cell starts from 0.
struct Run {
  at::Tensor initial, hidden, cell, saved;

  /// The hidden state before step t, from row `row` on.
  float* before(std::int64_t t, std::int64_t row) const {
    return t > 0 ? row_of(hidden, t - 1, row) : initial.data_ptr<float>() + row * initial.size(1);
  }
  float* cell_before(std::int64_t t, std::int64_t row) const {
    return t > 0 ? row_of(cell, t - 1, row) : row_of(cell, cell.size(0) - 1, row);
  }
  float* kept(std::int64_t t, std::int64_t row) const {
    return saved.defined() ? row_of(saved, t, row) : nullptr;
  }
};

/// A cell keeps the gradients of a row's gates in [4 U]: those of the input's sums come first, of
/// which number kFirst is torch's first; those of the state's, in torch's order, begin at kState.
struct GruCell {
  static constexpr std::int64_t kGates = 3, kFirst = 1, kState = 1;  // n, r, z, U's n
  static constexpr bool kHasCell = false;

  static void step(const Run& run, std::int64_t t, std::int64_t row, std::int64_t rows,
                   std::int64_t units, const float* of_input, const float* of_state) {
    kernels::gru_cell_step(rows, units, of_input, of_state, run.before(t, row),
                           row_of(run.hidden, t, row), run.kept(t, row));
  }

  static void backward(const Run& run, std::int64_t t, std::int64_t row, std::int64_t rows,
                       std::int64_t units, const float* grad, float* of_gates, float* of_before,
                       float* /*of_cell*/) {
    kernels::gru_cell_backward(rows, units, run.kept(t, row), run.before(t, row), grad, of_gates,
                               of_before);
  }
};

struct LstmCell {
  static constexpr std::int64_t kGates = 4, kFirst = 0, kState = 0;
  static constexpr bool kHasCell = true;

  static void step(const Run& run, std::int64_t t, std::int64_t row, std::int64_t rows,
                   std::int64_t units, const float* of_input, const float* of_state) {
    kernels::lstm_cell_step(rows, units, of_input, of_state, run.cell_before(t, row),
                            row_of(run.cell, t, row), row_of(run.hidden, t, row), run.kept(t, row));
  }

  /// The state before counts by its gates alone: `of_before` is 0.
  static void backward(const Run& run, std::int64_t t, std::int64_t row, std::int64_t rows,
                       std::int64_t units, const float* grad, float* of_gates, float* of_before,
                       float* of_cell) {
    kernels::lstm_cell_backward(rows, units, run.kept(t, row), run.cell_before(t, row),
                                row_of(run.cell, t, row), grad, of_cell, of_gates);
    std::fill_n(of_before, rows * units, 0.0f);
  }
};

/// How many steps' sums over the input are in the cache together.
std::int64_t steps_at_once(std::int64_t floats_a_step) {
  constexpr std::int64_t kFloats = std::int64_t{1} << 18;
  return std::max<std::int64_t>(1, kFloats / floats_a_step);
}

template <typename Cell>
Run run_forward(const at::Tensor& series, const at::Tensor& initial, const Padded& w, bool save) {
  const std::int64_t steps = series.size(0), rows = series.size(1), units = w.units;
  const auto states = [&](std::int64_t count, std::int64_t columns) {
    return at::empty({count, rows, columns}, series.options());
  };
  Run run{at::constant_pad_nd(initial, {0, units - w.hidden}).contiguous(),
          states(steps, units),
          {},
          {}};
  // One place more, which stays 0: the cell before the first step.
  if (Cell::kHasCell) run.cell = states(steps + 1, units);
  if (Cell::kHasCell) run.cell[steps].zero_();
  if (save) run.saved = states(steps, 4 * units);
  at::Tensor of_state = at::empty({rows, w.gates * units}, series.options());
  const at::Tensor by_state = w.weight_hh.t();
  const std::int64_t chunk = steps_at_once(rows * w.gates * units);
  at::Tensor of_input;
  for (std::int64_t t = 0; t < steps; ++t) {
    if (t % chunk == 0) {
      of_input =
          at::linear(series.narrow(0, t, std::min(chunk, steps - t)), w.weight_ih, w.bias_ih);
    }
    at::addmm_out(of_state, w.bias_hh, t > 0 ? run.hidden[t - 1] : run.initial, by_state);
    const float* sums = of_state.const_data_ptr<float>();
    over_rows(rows, [&](std::int64_t row, std::int64_t count) {
      Cell::step(run, t, row, count, units, row_of(of_input, t % chunk, row),
                 sums + row * w.gates * units);
    });
  }
  return run;
}

/// Gradients of the gates' sums [T, N, 4 U], and of the state before the first step [N, U].
struct GateGradients {
  at::Tensor of_gates, of_initial;
};

/// \param grad  of the states after each step, [T, N, U].
template <typename Cell>
GateGradients run_backward(const Run& run, const Padded& w, const at::Tensor& grad) {
  const std::int64_t steps = grad.size(0), rows = grad.size(1), units = w.units;
  GateGradients g{at::empty({steps, rows, 4 * units}, grad.options()),
                  at::zeros({rows, units}, grad.options())};
  const at::Tensor of_cell = at::zeros_like(g.of_initial);
  at::Tensor of_after = at::empty_like(of_cell);
  for (std::int64_t t = steps - 1; t >= 0; --t) {
    at::add_out(of_after, grad[t], g.of_initial);
    over_rows(rows, [&](std::int64_t row, std::int64_t count) {
      const std::int64_t at = row * units;
      Cell::backward(run, t, row, count, units, of_after.const_data_ptr<float>() + at,
                     row_of(g.of_gates, t, row), g.of_initial.data_ptr<float>() + at,
                     of_cell.data_ptr<float>() + at);
    });
    g.of_initial.addmm_(g.of_gates[t].narrow(1, Cell::kState * units, w.gates * units),
                        w.weight_hh);
  }
  return g;
}

/// Rows of gates [G U, ...], `shift` gates up: by GruCell::kFirst from the order of the gradients to
/// torch's, by its negative back.
at::Tensor turned(const at::Tensor& rows, std::int64_t units, std::int64_t shift) {
  return shift == 0 ? rows : at::roll(rows, -shift * units, 0);
}

template <typename Cell>
class LayerFunction : public torch::autograd::Function<LayerFunction<Cell>> {
 public:
  // A TensorList: apply() looks for tensors in nothing else than that.
  static at::Tensor forward(AutogradContext* context, at::TensorList all, bool save) {
    const Padded w({all[2], all[3], all[4], all[5]}, Cell::kGates);
    const Run run = run_forward<Cell>(all[0], all[1], w, save);
    if (save) {
      context->save_for_backward(
          {all[0], all[2], all[3], all[4], all[5], run.initial, run.hidden, run.cell, run.saved});
    }
    return w.hidden == w.units ? run.hidden : run.hidden.narrow(2, 0, w.hidden).clone();
  }

  static variable_list backward(AutogradContext* context, const variable_list& of_output) {
    TORCH_CHECK(!at::GradMode::is_enabled(),
                "recurrent layer: a gradient of its gradient (create_graph) cannot be had.");
    const variable_list kept = context->get_saved_variables();
    const at::Tensor& series = kept[0];
    const Padded w({kept[1], kept[2], kept[3], kept[4]}, Cell::kGates);
    const Run run{kept[5], kept[6], kept[7], kept[8]};
    const at::Tensor grad = at::constant_pad_nd(of_output[0], {0, w.units - w.hidden}).contiguous();
    const GateGradients g = run_backward<Cell>(run, w, grad);
    const auto part = [&](std::int64_t first) {
      return g.of_gates.flatten(0, 1).narrow(1, first * w.units, w.gates * w.units);
    };
    const at::Tensor of_input = part(0), of_state = part(Cell::kState);
    const auto in_order = [&](const at::Tensor& gradient) {
      return w.rows_of(turned(gradient, w.units, Cell::kFirst));
    };
    at::Tensor of_series;
    if (context->needs_input_grad(0)) {
      of_series =
          at::mm(of_input, turned(w.weight_ih, w.units, -Cell::kFirst)).view(series.sizes());
    }
    return {of_series,
            g.of_initial.narrow(1, 0, w.hidden),
            in_order(at::mm(of_input.t(), series.flatten(0, 1))),
            w.rows_of(of_weight_hh(run, of_state).narrow(1, 0, w.hidden)),
            in_order(of_input.sum(0)),
            w.rows_of(of_state.sum(0)),
            {}};  // of `save`
  }

 private:
  /// Sums over all steps of the gates' gradients times the state before.
  static at::Tensor of_weight_hh(const Run& run, const at::Tensor& of_state) {
    const std::int64_t rows = run.initial.size(0), later = of_state.size(0) - rows;
    const at::Tensor first = at::mm(of_state.narrow(0, 0, rows).t(), run.initial);
    return first.addmm_(of_state.narrow(0, rows, later).t(),
                        run.hidden.flatten(0, 1).narrow(0, 0, later));
  }
};

template <typename Cell>
at::Tensor run_layer(const at::Tensor& series, const at::Tensor& initial,
                     const RecurrentLayer& layer) {
  const variable_list all = {series.contiguous(), initial,       layer.weight_ih,
                             layer.weight_hh,     layer.bias_ih, layer.bias_hh};
  return LayerFunction<Cell>::apply(at::TensorList(all), wants_gradient(all));
}

}  // namespace

at::Tensor gru_layer(const at::Tensor& series, const at::Tensor& initial,
                     const RecurrentLayer& layer) {
  return run_layer<GruCell>(series, initial, layer);
}

at::Tensor lstm_layer(const at::Tensor& series, const at::Tensor& initial,
                      const RecurrentLayer& layer) {
  return run_layer<LstmCell>(series, initial, layer);
}

}  // namespace salus::models
