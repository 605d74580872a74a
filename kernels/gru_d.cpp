#include "kernels/gru_d.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "kernels/gru_d_arguments.h"
#include "kernels/gru_d_plan.h"

namespace salus::kernels {
namespace {

GruDSeries series_of(const GruDArguments& a) {
  return {a.sizes,
          float_data(a.input.values),
          float_data(a.input.mask),
          float_data(a.input.delta),
          float_data(a.input.initial),
          a.input.length.const_data_ptr<std::int64_t>()};
}

at::Tensor empty_floats(at::IntArrayRef shape) {
  return at::empty(shape, at::TensorOptions(at::kFloat));
}

GruDOutput forward_on_cpu(const GruDArguments& a, bool save) {
  const GruDSizes& s = a.sizes;
  GruDOutput out{.hidden = empty_floats({s.series, s.steps, s.units}),
                 .last = empty_floats({s.series, s.units}),
                 .saved = {}};
  if (save) out.saved = empty_floats({s.series, s.steps, kSavedCount, s.padded_units()});
  gru_d_forward_cpu(series_of(a), pack_forward(s, weights_of(a)), mutable_float_data(out.hidden),
                    mutable_float_data(out.last), mutable_float_data(out.saved));
  return out;
}

/// A part of the sums as a tensor [rows, columns] without the padding of columns.
at::Tensor view_of(const AlignedFloats& sums, std::int64_t offset, std::int64_t rows,
                   std::int64_t padded_columns, std::int64_t columns) {
  at::Tensor out = empty_floats({rows, columns});
  const float* from = sums.data() + offset;
  for (std::int64_t i = 0; i < rows; ++i) {
    std::copy_n(from + i * padded_columns, columns, mutable_float_data(out) + i * columns);
  }
  return out;
}

/// Rows r, z, n of H each from padded gates, the first of which is number order[0] of the sums.
at::Tensor gates_of(const AlignedFloats& sums, std::int64_t offset, const GruDSizes& s,
                    std::int64_t padded_columns, std::int64_t columns, const int (&order)[3]) {
  at::Tensor out = empty_floats({3 * s.units, columns});
  for (std::int64_t gate = 0; gate < 3; ++gate) {
    const std::int64_t from = offset + order[gate] * s.padded_units() * padded_columns;
    const at::Tensor part = view_of(sums, from, s.units, padded_columns, columns);
    std::copy_n(float_data(part), part.numel(), mutable_float_data(out) + gate * part.numel());
  }
  return out;
}

GruDGradients unpack(const AlignedFloats& sums, const GruDSizes& s) {
  const GruDSumsLayout at(s);
  const std::int64_t units = s.padded_units(), variables = s.padded_variables();
  // gate_bias holds n, r, z and U's n; a bias is a column.
  constexpr int kInput[3] = {1, 2, 0}, kState[3] = {0, 1, 2}, kStateBias[3] = {1, 2, 3};
  const auto row = [&](std::int64_t offset, std::int64_t count) {
    return view_of(sums, offset, 1, count, count).view({count});
  };
  GruDGradients g;
  g.mean = row(at.mean, s.variables);
  g.parameters = {
      .input_decay_weight = row(at.input_decay_weight, s.variables),
      .input_decay_bias = row(at.input_decay_bias, s.variables),
      .hidden_decay_weight = view_of(sums, at.decay, s.units, variables, s.variables),
      .hidden_decay_bias = row(at.decay_bias, s.units),
      .weight_ih = gates_of(sums, at.input, s, at.input_columns, 2 * s.variables, kInput),
      .weight_hh = gates_of(sums, at.state, s, units, s.units, kState),
      .bias_ih = gates_of(sums, at.gate_bias, s, 1, 1, kInput).view({3 * s.units}),
      .bias_hh = gates_of(sums, at.gate_bias, s, 1, 1, kStateBias).view({3 * s.units})};
  return g;
}

GruDGradients backward_on_cpu(const GruDArguments& a, const at::Tensor& saved,
                              const at::Tensor& grad_hidden, const at::Tensor& grad_last,
                              bool want_values, bool want_delta) {
  const GruDSizes& s = a.sizes;
  const auto zeros = [&](bool wanted) {
    return wanted ? at::zeros({s.series, s.steps, s.variables}, at::kFloat) : at::Tensor();
  };
  const at::Tensor values = zeros(want_values), delta = zeros(want_delta);
  const at::Tensor initial = empty_floats({s.series, s.units});
  const GruDWeights weights = weights_of(a);
  const AlignedFloats sums = gru_d_backward_cpu(
      series_of(a), pack_forward(s, weights), pack_backward(s, weights),
      {float_data(saved), float_data(grad_hidden), float_data(grad_last),
       mutable_float_data(values), mutable_float_data(delta), mutable_float_data(initial)});
  GruDGradients gradients = unpack(sums, s);
  gradients.values = values;
  gradients.delta = delta;
  gradients.initial = initial;
  return gradients;
}

at::Tensor cast(const at::Tensor& tensor, at::ScalarType dtype) {
  return tensor.defined() ? tensor.to(dtype) : tensor;
}

at::Tensor checked_gradient(const char* name, const at::Tensor& gradient, const GruDArguments& a,
                            at::IntArrayRef shape) {
  if (!gradient.defined()) return gradient;
  TORCH_CHECK(gradient.sizes() == shape && gradient.device() == a.input.values.device() &&
                  gradient.scalar_type() == a.dtype,
              "gru_d: ", name, " must be ", a.dtype, " ", shape, " on ", a.input.values.device(),
              ", not ", gradient.scalar_type(), " ", gradient.sizes(), " on ", gradient.device(),
              ".");
  return gradient.to(at::kFloat).contiguous();
}

}  // namespace

GruDOutput gru_d_forward(const GruDInput& input, const GruDParameters& parameters, bool save) {
  const GruDArguments a = check_gru_d(input, parameters);
  GruDOutput out = a.input.values.is_cuda() ? gru_d_forward_cuda(a, save) : forward_on_cpu(a, save);
  out.hidden = cast(out.hidden, a.dtype);
  out.last = cast(out.last, a.dtype);
  return out;
}

GruDGradients gru_d_backward(const GruDInput& input, const GruDParameters& parameters,
                             const at::Tensor& saved, const at::Tensor& grad_hidden,
                             const at::Tensor& grad_last, bool want_values, bool want_delta) {
  const GruDArguments a = check_gru_d(input, parameters);
  const GruDSizes& s = a.sizes;
  TORCH_CHECK(
      saved.defined() && saved.scalar_type() == at::kFloat && saved.is_contiguous() &&
          saved.device() == a.input.values.device() &&
          saved.sizes() == at::IntArrayRef({s.series, s.steps, kSavedCount, s.padded_units()}),
      "gru_d: saved is not what gru_d_forward() kept for this input.");
  const at::Tensor of_hidden =
      checked_gradient("grad_hidden", grad_hidden, a, {s.series, s.steps, s.units});
  const at::Tensor of_last = checked_gradient("grad_last", grad_last, a, {s.series, s.units});
  const auto run = a.input.values.is_cuda() ? gru_d_backward_cuda : backward_on_cpu;
  GruDGradients g = run(a, saved, of_hidden, of_last, want_values, want_delta);
  for (at::Tensor* gradient :
       {&g.values, &g.delta, &g.mean, &g.initial, &g.parameters.input_decay_weight,
        &g.parameters.input_decay_bias, &g.parameters.hidden_decay_weight,
        &g.parameters.hidden_decay_bias, &g.parameters.weight_ih, &g.parameters.weight_hh,
        &g.parameters.bias_ih, &g.parameters.bias_hh}) {
    *gradient = cast(*gradient, a.dtype);
  }
  return g;
}

}  // namespace salus::kernels
