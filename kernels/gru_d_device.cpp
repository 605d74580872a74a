#include "kernels/gru_d_device.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include "kernels/dispatch.h"

namespace salus::kernels {
namespace {

const std::int64_t* lengths(const GruDArguments& a) {
  return a.input.length.const_data_ptr<std::int64_t>();
}

at::Tensor empty_like_values(const GruDArguments& a, at::IntArrayRef shape) {
  return at::empty(shape, a.input.values.options());
}

/// [N T, 3 D]: imputed values, mask and delta.
at::Tensor impute(const GruDKernels& kernels, const GruDArguments& a) {
  const GruDSizes& s = a.sizes;
  const at::Tensor inputs = empty_like_values(a, {s.series * s.steps, 3 * s.variables});
  kernels.impute({.sizes = s,
                  .length = lengths(a),
                  .values = float_data(a.input.values),
                  .mask = float_data(a.input.mask),
                  .delta = float_data(a.input.delta),
                  .mean = float_data(a.input.mean),
                  .decay_weight = float_data(a.parameters.input_decay_weight),
                  .decay_bias = float_data(a.parameters.input_decay_bias),
                  .inputs = mutable_float_data(inputs)});
  return inputs;
}

/// Step by step: one product with U and one kernel each.
void forward_steps(const GruDKernels& kernels, const GruDArguments& a,
                   const GruDForwardTask& task) {
  const GruDSizes& s = a.sizes;
  const at::Tensor decayed = empty_like_values(a, {s.series, s.units});
  at::Tensor sums = empty_like_values(a, {s.series, 3 * s.units});
  const at::Tensor transposed = a.parameters.weight_hh.t();
  for (std::int64_t t = -1; t < s.steps; ++t) {
    if (t >= 0) at::addmm_out(sums, a.parameters.bias_hh, decayed, transposed);
    kernels.step({task, t, float_data(sums), mutable_float_data(decayed)});
  }
}

void backward_steps(const GruDKernels& kernels, const GruDArguments& a,
                    const GruDBackwardTask& task, const at::Tensor& gates) {
  const GruDSizes& s = a.sizes;
  at::Tensor of_decayed = empty_like_values(a, {s.series, s.units});
  for (std::int64_t t = s.steps - 1; t >= -1; --t) {
    kernels.step_backward({task, t, mutable_float_data(of_decayed)});
    if (t < 0) break;
    // r, z and U's n of the step.
    const at::Tensor of_sums =
        gates.view({s.series, s.steps, 4 * s.units}).select(1, t).slice(1, s.units);
    at::addmm_out(of_decayed, of_decayed, of_sums, a.parameters.weight_hh);
  }
}

/// n, r, z in the parameters' order.
at::Tensor reordered(const at::Tensor& gates, std::int64_t units) { return gates.roll(-units, 0); }

}  // namespace

GruDOutput gru_d_forward_by(const GruDKernels& kernels, const GruDArguments& a, bool save) {
  const GruDSizes& s = a.sizes;
  const GruDParameters& p = a.parameters;
  GruDOutput out{.hidden = empty_like_values(a, {s.series, s.steps, s.units}),
                 .last = empty_like_values(a, {s.series, s.units}),
                 .saved = {}};
  if (save) {
    out.saved = empty_like_values(a, {s.series, s.steps, kSavedCount, s.padded_units()});
  }
  const at::Tensor inputs = impute(kernels, a);
  const std::int64_t both = 2 * s.variables;
  const at::Tensor input_sums = at::addmm(p.bias_ih, inputs.slice(1, 0, both), p.weight_ih.t());
  const at::Tensor decay_sums =
      at::addmm(p.hidden_decay_bias, inputs.slice(1, both), p.hidden_decay_weight.t());
  const GruDForwardTask task{.sizes = s,
                             .length = lengths(a),
                             .input_sums = float_data(input_sums),
                             .decay_sums = float_data(decay_sums),
                             .weight_hh = float_data(p.weight_hh),
                             .bias_hh = float_data(p.bias_hh),
                             .initial = float_data(a.input.initial),
                             .hidden = mutable_float_data(out.hidden),
                             .last = mutable_float_data(out.last),
                             .saved = mutable_float_data(out.saved)};
  if (s.units <= kMostPersistentUnits) {
    kernels.forward(task);
  } else {
    forward_steps(kernels, a, task);
  }
  return out;
}

GruDGradients gru_d_backward_by(const GruDKernels& kernels, const GruDArguments& a,
                                const at::Tensor& saved, const at::Tensor& grad_hidden,
                                const at::Tensor& grad_last, bool want_values, bool want_delta) {
  const GruDSizes& s = a.sizes;
  const GruDParameters& p = a.parameters;
  const std::int64_t rows = s.series * s.steps, both = 2 * s.variables;
  const at::Tensor inputs = impute(kernels, a);
  const at::Tensor gates = empty_like_values(a, {rows, 4 * s.units});
  const at::Tensor decay = empty_like_values(a, {rows, s.units});
  GruDGradients g;
  g.initial = empty_like_values(a, {s.series, s.units});
  const GruDBackwardTask task{.sizes = s,
                              .length = lengths(a),
                              .weight_hh = float_data(p.weight_hh),
                              .saved = float_data(saved),
                              .grad_hidden = float_data(grad_hidden),
                              .grad_last = float_data(grad_last),
                              .gates = mutable_float_data(gates),
                              .decay = mutable_float_data(decay),
                              .initial = mutable_float_data(g.initial)};
  if (s.units <= kMostPersistentUnits) {
    kernels.backward(task);
  } else {
    backward_steps(kernels, a, task, gates);
  }
  const at::Tensor of_input = gates.slice(1, 0, 3 * s.units), of_state = gates.slice(1, s.units);
  const at::Tensor decayed = saved.view({rows, kSavedCount, s.padded_units()})
                                 .select(1, kSavedDecayed)
                                 .slice(1, 0, s.units);
  g.parameters.weight_ih = reordered(at::mm(of_input.t(), inputs.slice(1, 0, both)), s.units);
  g.parameters.bias_ih = reordered(of_input.sum(0), s.units);
  g.parameters.weight_hh = at::mm(of_state.t(), decayed);
  g.parameters.bias_hh = of_state.sum(0);
  g.parameters.hidden_decay_weight = at::mm(decay.t(), inputs.slice(1, both));
  g.parameters.hidden_decay_bias = decay.sum(0);

  const at::Tensor of_values =
      at::mm(of_input, p.weight_ih.slice(1, 0, s.variables).roll(s.units, 0));
  const auto shape = a.input.values.sizes();
  if (want_values) g.values = empty_like_values(a, shape);
  if (want_delta) g.delta = at::mm(decay, p.hidden_decay_weight).view(shape);
  const at::Tensor sums = empty_like_values(a, {s.series, 3, s.variables});
  kernels.impute_backward({.sizes = s,
                           .length = lengths(a),
                           .inputs = float_data(inputs),
                           .mean = float_data(a.input.mean),
                           .decay_weight = float_data(p.input_decay_weight),
                           .decay_bias = float_data(p.input_decay_bias),
                           .of_inputs = float_data(of_values),
                           .values = mutable_float_data(g.values),
                           .delta = mutable_float_data(g.delta),
                           .sums = mutable_float_data(sums)});
  const at::Tensor total = sums.sum(0);
  g.parameters.input_decay_weight = total[0];
  g.parameters.input_decay_bias = total[1];
  g.mean = total[2];
  return g;
}

namespace {

const CudaLauncher<GruDImputeLaunch> impute_cuda{"gru_d_impute"};
const CudaLauncher<GruDImputeBackwardLaunch> impute_backward_cuda{"gru_d_impute_backward"};
const CudaLauncher<GruDForwardLaunch> forward_cuda{"gru_d_forward"};
const CudaLauncher<GruDBackwardLaunch> backward_cuda{"gru_d_backward"};
const CudaLauncher<GruDStepLaunch> step_cuda{"gru_d_step"};
const CudaLauncher<GruDStepBackwardLaunch> step_backward_cuda{"gru_d_step_backward"};

class CudaKernels : public GruDKernels {
 public:
  explicit CudaKernels(const GruDArguments& a) : device_(a.input.values.device().index()) {}
  void impute(const GruDImputeTask& task) const override { impute_cuda(device_, task); }
  void impute_backward(const GruDImputeBackwardTask& task) const override {
    impute_backward_cuda(device_, task);
  }
  void forward(const GruDForwardTask& task) const override { forward_cuda(device_, task); }
  void backward(const GruDBackwardTask& task) const override { backward_cuda(device_, task); }
  void step(const GruDStepTask& task) const override { step_cuda(device_, task); }
  void step_backward(const GruDStepBackwardTask& task) const override {
    step_backward_cuda(device_, task);
  }

 private:
  int device_;
};

}  // namespace

GruDOutput gru_d_forward_cuda(const GruDArguments& a, bool save) {
  return gru_d_forward_by(CudaKernels(a), a, save);
}

GruDGradients gru_d_backward_cuda(const GruDArguments& a, const at::Tensor& saved,
                                  const at::Tensor& grad_hidden, const at::Tensor& grad_last,
                                  bool want_values, bool want_delta) {
  return gru_d_backward_by(CudaKernels(a), a, saved, grad_hidden, grad_last, want_values,
                           want_delta);
}

}  // namespace salus::kernels
