#include "models/vitals/gru_d_step.h"

#include <algorithm>

#include "kernels/gru_d_step.h"
#include "kernels/panels.h"

namespace salus::models {
namespace {

/// The state of a series is [H] hidden units and [D] last observed values.
class GruDStep : public StepEncoder {
 public:
  GruDStep(const kernels::GruDParameters& parameters, const at::Tensor& mean)
      : stepper_(parameters, mean) {}

  std::int64_t state_floats() const override { return stepper_.units() + stepper_.variables(); }

  std::int64_t workspace_floats() const override {
    return static_cast<std::int64_t>(carve(nullptr).total);
  }

  void start(const float* initial, float* state) const override {
    std::copy_n(initial, stepper_.units(), state);
    std::copy_n(stepper_.mean(), stepper_.variables(), state + stepper_.units());
  }

  void step(const StepInput& input, float* const* states, float* hidden, std::int64_t hidden_row,
            float* workspace) const override {
    const Workspace w = carve(workspace);
    const std::int64_t units = stepper_.units(), variables = stepper_.variables();
    for (std::int64_t i = 0; i < input.series; ++i) {
      std::copy_n(states[i], units, w.hidden + i * units);
      std::copy_n(states[i] + units, variables, w.x_last + i * variables);
    }
    stepper_.advance(input.series, input.values, input.mask, input.delta, w.hidden, w.x_last,
                     w.stepper);
    for (std::int64_t i = 0; i < input.series; ++i) {
      std::copy_n(w.hidden + i * units, units, states[i]);
      std::copy_n(w.hidden + i * units, units, hidden + i * hidden_row);
      std::copy_n(w.x_last + i * variables, variables, states[i] + units);
    }
  }

 private:
  struct Workspace {
    float *hidden, *x_last, *stepper;
    std::size_t total;
  };

  Workspace carve(float* memory) const {
    kernels::Carver carver(memory);
    Workspace w{};
    w.hidden = carver.take(kRows * stepper_.units());
    w.x_last = carver.take(kRows * stepper_.variables());
    w.stepper = carver.take(static_cast<std::int64_t>(stepper_.workspace_floats()));
    w.total = carver.used();
    return w;
  }

  kernels::GruDStepper stepper_;
};

}  // namespace

std::unique_ptr<StepEncoder> gru_d_step(const kernels::GruDParameters& parameters,
                                        const at::Tensor& mean) {
  TORCH_CHECK(parameters.weight_hh.scalar_type() == at::kFloat,
              "gru_d: a series is scored bin by bin in float32 only.");
  return std::make_unique<GruDStep>(parameters, mean);
}

}  // namespace salus::models
