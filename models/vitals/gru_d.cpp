#include "models/vitals/gru_d.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <cmath>

#include "engine/io/error.h"
#include "models/image/layers.h"
#include "models/options.h"
#include "models/vitals/gru_d_function.h"

namespace salus::models {
namespace {

namespace nn = torch::nn;

at::Tensor uniform(at::IntArrayRef shape, double low, double high) {
  return torch::empty(shape).uniform_(low, high);
}

class GruD : public Model {
 public:
  explicit GruD(const GruDOptions& options) : options_(options) {
    const std::int64_t d = options.variables, h = options.units;
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
    if (options.statics > 0) {
      static_state_ = register_module("static_state", nn::Linear(options.statics, h));
    }
    fc_ = register_module("fc", nn::Linear(h + options.statics, options.outputs));
  }

  at::Tensor embed(const Batch& batch) override {
    c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
    const auto type = cell_.weight_hh.scalar_type();
    const auto series = [&](const char* name) { return input(batch, name).to(type); };
    const at::Tensor values = series("values");
    const at::Tensor known = statics(batch, values);
    const GruDStates states = gru_d({.values = values,
                                     .mask = series("mask"),
                                     .delta = series("delta"),
                                     .length = input(batch, "length"),
                                     .mean = mean_,
                                     .initial = initial_state(known, values)},
                                    cell_);
    return options_.statics > 0 ? at::cat({states.last, known}, 1) : states.last;
  }

  at::Tensor classify(const at::Tensor& features) override {
    c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
    const at::Tensor kept = at::dropout(features.to(at::kFloat), options_.dropout, is_training());
    return linear_by_row(fc_, kept);
  }

  std::string head() const override { return "fc"; }

  void prepare_inference(at::ScalarType dtype) override {
    eval();
    to(dtype);
    fc_->to(at::kFloat);  // a logit rounded to bfloat16 would tie scores that differ
  }

 private:
  static at::Tensor input(const Batch& batch, const char* name) {
    const auto found = batch.inputs.find(name);
    TORCH_CHECK(found != batch.inputs.end(), "gru_d: the model needs the input '", name, "'.");
    return found->second;
  }

  /// [N, S] without NaN; undefined if the model has none.
  at::Tensor statics(const Batch& batch, const at::Tensor& values) const {
    if (options_.statics == 0) return {};
    const at::Tensor given = input(batch, "static");
    TORCH_CHECK(
        given.dim() == 2 && given.size(0) == values.size(0) && given.size(1) == options_.statics,
        "gru_d: static is ", given.sizes(), ", but must be [", values.size(0), ", ",
        options_.statics, "].");
    const at::Tensor known = given.to(values.scalar_type());
    return at::where(known.isnan(), at::zeros_like(known), known);
  }

  at::Tensor initial_state(const at::Tensor& known, const at::Tensor& values) {
    if (!known.defined()) return at::zeros({values.size(0), options_.units}, values.options());
    return at::tanh(linear_by_row(static_state_, known));
  }

  GruDOptions options_;
  kernels::GruDParameters cell_;
  at::Tensor mean_;
  nn::Linear static_state_{nullptr}, fc_{nullptr};
};

void check(bool holds, const char* what, double value) {
  if (holds) return;
  throw UsageError(fmt::format("The model 'gru_d' cannot have {} = {}.", what, value));
}

}  // namespace

std::shared_ptr<Model> make_gru_d(const GruDOptions& options) {
  const auto count = [](const char* what, std::int64_t value, std::int64_t least) {
    check(value >= least, what, static_cast<double>(value));
  };
  count("variables", options.variables, 1);
  count("statics", options.statics, 0);
  count("units", options.units, 1);
  count("outputs", options.outputs, 1);
  check(options.dropout >= 0 && options.dropout < 1, "dropout", options.dropout);
  return std::make_shared<GruD>(options);
}

ModelEntry gru_d_entry() {
  return {"gru_d",
          "GRU-D: decay of inputs and state by the time since the last value",
          {{"hidden", "units of the state (64)"}, {"dropout", "dropout before the head (0)"}},
          [](const ModelSpec& spec) {
            if (spec.per_step) throw UsageError("The model 'gru_d' gives one score a stay.");
            return make_gru_d({.variables = spec.variables,
                               .statics = spec.statics,
                               .units = positive_option(spec, "hidden", 64),
                               .outputs = spec.outputs,
                               .dropout = fraction_option(spec, "dropout", 0)});
          },
          Modality::kVitals};
}

}  // namespace salus::models
