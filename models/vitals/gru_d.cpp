#include "models/vitals/gru_d.h"

#include <cmath>

#include "models/vitals/gru_d_function.h"
#include "models/vitals/gru_d_step.h"
#include "models/vitals/vitals_model.h"

namespace salus::models {
namespace {

at::Tensor uniform(at::IntArrayRef shape, double low, double high) {
  return torch::empty(shape).uniform_(low, high);
}

class GruD : public VitalsModel {
 public:
  explicit GruD(const ModelSpec& spec) : VitalsModel(spec) {
    const std::int64_t d = variables(), h = hidden();
    const double bound = 1 / std::sqrt(static_cast<double>(h));
    const auto parameter = [this](const char* name, const at::Tensor& start) {
      return register_parameter(name, start);
    };
    cell_ = {.input_decay_weight = parameter("input_decay_weight", uniform({d}, 0, bound)),
             .input_decay_bias = parameter("input_decay_bias", uniform({d}, 0, bound)),
             .hidden_decay_weight = parameter("hidden_decay_weight", uniform({h, d}, 0, bound / d)),
             .hidden_decay_bias = parameter("hidden_decay_bias", uniform({h}, 0, bound)),
             .weight_ih = parameter("weight_ih", uniform({3 * h, 2 * d}, -bound, bound)),
             .weight_hh = parameter("weight_hh", uniform({3 * h, h}, -bound, bound)),
             .bias_ih = parameter("bias_ih", uniform({3 * h}, -bound, bound)),
             .bias_hh = parameter("bias_hh", uniform({3 * h}, -bound, bound))};
    mean_ = register_buffer("mean", torch::zeros({d}));
  }

 protected:
  at::Tensor encode(const Stays& stays, const at::Tensor& initial) override {
    const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
    return gru_d({.values = stays.values,
                  .mask = stays.mask,
                  .delta = stays.delta,
                  .length = stays.length,
                  .mean = mean_,
                  .initial = initial},
                 cell_)
        .hidden;
  }

  std::unique_ptr<StepEncoder> step_encoder() const override { return gru_d_step(cell_, mean_); }

 private:
  kernels::GruDParameters cell_;
  at::Tensor mean_;
};

}  // namespace

ModelEntry gru_d_entry() {
  return {"gru_d", "GRU-D: decay of inputs and state by the time since the last value",
          vitals_options(), [](const ModelSpec& spec) { return std::make_shared<GruD>(spec); },
          Modality::kVitals};
}

}  // namespace salus::models
