#include "kernels/gru_d_step.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/gru_d_arguments.h"
#include "kernels/gru_d_plan.h"
#include "kernels/gru_d_scratch.h"

namespace salus::kernels {
namespace {

/// Time since the last observation, [rows, D]; and the times, renewed.
void pass_time(std::int64_t rows, std::int64_t variables, const double* time, const float* mask,
               double* last_time, float* delta) {
  for (std::int64_t i = 0; i < rows * variables; ++i) {
    const double now = time[i / variables];
    if (std::isnan(last_time[i])) last_time[i] = now;
    delta[i] = static_cast<float>(now - last_time[i]);
    if (mask[i] != 0) last_time[i] = now;
  }
}

}  // namespace

struct GruDStepper::Packed {
  GruDForwardWeights weights;
};

GruDStepper::GruDStepper(const GruDParameters& parameters, const at::Tensor& mean) {
  TORCH_CHECK(mean.defined() && mean.dim() == 1 && mean.is_cpu(),
              "gru_d: a stepper's mean must be [D] on the CPU.");
  TORCH_CHECK(parameters.weight_hh.defined() && parameters.weight_hh.dim() == 2,
              "gru_d: weight_hh must be [3 H, H].");
  const at::Tensor none = at::empty({0, 0, mean.size(0)}, mean.options());
  const at::Tensor no_state = at::empty({0, parameters.weight_hh.size(1)}, mean.options());
  const GruDArguments a = check_gru_d({.values = none,
                                       .mask = none,
                                       .delta = none,
                                       .length = at::zeros({0}, at::kLong),
                                       .mean = mean,
                                       .initial = no_state},
                                      parameters);
  packed_ = std::make_unique<const Packed>(Packed{pack_forward(a.sizes, weights_of(a))});
}

GruDStepper::~GruDStepper() = default;
GruDStepper::GruDStepper(GruDStepper&&) noexcept = default;
GruDStepper& GruDStepper::operator=(GruDStepper&&) noexcept = default;

std::int64_t GruDStepper::variables() const { return packed_->weights.sizes.variables; }
std::int64_t GruDStepper::units() const { return packed_->weights.sizes.units; }

std::size_t GruDStepper::workspace_floats() const {
  return ForwardScratch::floats(packed_->weights.sizes) +
         static_cast<std::size_t>(kGroupRows * variables());
}

void GruDStepper::reset(std::int64_t series, const GruDState& state) const {
  std::fill_n(state.hidden, series * units(), 0.0f);
  for (std::int64_t i = 0; i < series; ++i) {
    std::copy_n(packed_->weights.mean.data(), variables(), state.x_last + i * variables());
  }
  std::fill_n(state.last_time, series * variables(), std::numeric_limits<double>::quiet_NaN());
}

void GruDStepper::advance(std::int64_t series, const float* values, const float* mask,
                          const float* delta, float* hidden, float* x_last,
                          float* workspace) const {
  const std::int64_t d = variables(), h = units();
  for (std::int64_t first = 0; first < series; first += kGroupRows) {
    gru_d_step_cpu(packed_->weights, std::min(kGroupRows, series - first), values + first * d,
                   mask + first * d, delta + first * d, hidden + first * h, x_last + first * d,
                   workspace);
  }
}

const float* GruDStepper::mean() const { return packed_->weights.mean.data(); }

void GruDStepper::step(std::int64_t series, const double* time, const float* values,
                       const float* mask, const GruDState& state, float* workspace) const {
  const std::int64_t d = variables(), h = units();
  float* delta = workspace + ForwardScratch::floats(packed_->weights.sizes);
  for (std::int64_t first = 0; first < series; first += kGroupRows) {
    const std::int64_t rows = std::min(kGroupRows, series - first);
    pass_time(rows, d, time + first, mask + first * d, state.last_time + first * d, delta);
    advance(rows, values + first * d, mask + first * d, delta, state.hidden + first * h,
            state.x_last + first * d, workspace);
  }
}

}  // namespace salus::kernels
