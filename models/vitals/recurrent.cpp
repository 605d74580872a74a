#include "models/vitals/recurrent.h"

#include <ATen/autocast_mode.h>
#include <fmt/format.h>

#include "engine/io/error.h"
#include "models/options.h"
#include "models/vitals/recurrent_step.h"
#include "models/vitals/vitals_model.h"

namespace salus::models {
namespace {

namespace nn = torch::nn;

/// State [layers, N, H] whose first layer starts from `initial` and whose others start from 0.
at::Tensor layered(const at::Tensor& initial, std::int64_t layers) {
  if (layers == 1) return initial.unsqueeze(0);
  const at::Tensor rest =
      at::zeros({layers - 1, initial.size(0), initial.size(1)}, initial.options());
  return at::cat({initial.unsqueeze(0), rest});
}

std::vector<RecurrentLayer> layers_of(const nn::Module& rnn, std::int64_t layers) {
  const auto parameters = rnn.named_parameters();
  std::vector<RecurrentLayer> found;
  for (std::int64_t i = 0; i < layers; ++i) {
    const auto of = [&](const char* name) { return parameters[fmt::format("{}_l{}", name, i)]; };
    found.push_back({of("weight_ih"), of("weight_hh"), of("bias_ih"), of("bias_hh")});
  }
  return found;
}

/// What a recurrence is called in torch, how it is run and how it is stepped.
struct GruKind {
  using Rnn = nn::GRU;
  using Options = nn::GRUOptions;
  static constexpr auto kLayer = gru_layer;
  static constexpr auto kStep = gru_step;
  static at::Tensor run(Rnn& rnn, const at::Tensor& series, const at::Tensor& state) {
    return std::get<0>(rnn->forward(series, state));
  }
};
struct LstmKind {
  using Rnn = nn::LSTM;
  using Options = nn::LSTMOptions;
  static constexpr auto kLayer = lstm_layer;
  static constexpr auto kStep = lstm_step;
  static at::Tensor run(Rnn& rnn, const at::Tensor& series, const at::Tensor& state) {
    return std::get<0>(rnn->forward(series, std::make_tuple(state, at::zeros_like(state))));
  }
};

/// All layers over the series [T, N, 3 D]; the first starts from `initial`. On the CPU in float32 by
/// recurrent_layer.h, or else by torch (cuDNN on the GPU).
template <typename Kind>
at::Tensor run(typename Kind::Rnn& rnn, const at::Tensor& series, const at::Tensor& initial,
               std::int64_t layers) {
  if (!series.is_cpu() || series.scalar_type() != at::kFloat ||
      at::autocast::is_autocast_enabled(at::kCPU)) {
    return Kind::run(rnn, series, layered(initial, layers));
  }
  at::Tensor x = series, state = initial;
  for (const RecurrentLayer& layer : layers_of(*rnn, layers)) {
    x = Kind::kLayer(x, state, layer);
    state = at::zeros_like(initial);
  }
  return x;
}

/// series_of(), step by step: [T, N, 3 D].
at::Tensor steps_of(const Stays& stays) {
  const auto turned = [](const at::Tensor& x) { return x.transpose(0, 1); };
  return series_of({turned(stays.values), turned(stays.mask), turned(stays.delta), stays.length,
                    stays.statics})
      .contiguous();
}

/// Each stay of [T, N, 3 D] from its last step to its first; what lies beyond its end stays there.
at::Tensor reversed(const at::Tensor& series, const at::Tensor& length) {
  const at::Tensor steps = at::arange(series.size(0), length.options()).unsqueeze(1);
  const at::Tensor ends = length.unsqueeze(0);
  const at::Tensor from = at::where(steps.lt(ends), ends - 1 - steps, steps);
  return series.gather(0, from.to(series.device()).unsqueeze(2).expand_as(series));
}

/// Units of one direction.
std::int64_t units_of(const ModelSpec& spec, std::int64_t hidden, bool bidirectional) {
  if (!bidirectional) return hidden;
  if (spec.per_step) {
    throw UsageError(fmt::format(
        "The model '{}' looks ahead with bidirectional = 1, which a label a step does not allow; "
        "leave the option out.",
        spec.name));
  }
  if (hidden % 2 != 0) {
    throw UsageError(
        fmt::format("The model '{}' cannot halve hidden = {} for its two directions; make it even.",
                    spec.name, hidden));
  }
  return hidden / 2;
}

template <typename Kind>
class Recurrent : public VitalsModel {
 public:
  explicit Recurrent(const ModelSpec& spec)
      : VitalsModel(spec),
        layers_(positive_option(spec, "layers", 1)),
        bidirectional_(flag_option(spec, "bidirectional")) {
    const auto options =
        typename Kind::Options(3 * spec.variables, units_of(spec, hidden(), bidirectional_))
            .num_layers(layers_);
    rnn_ = register_module("rnn", typename Kind::Rnn(options));
    if (bidirectional_) reverse_ = register_module("rnn_reverse", typename Kind::Rnn(options));
  }

 protected:
  at::Tensor encode(const Stays& stays, const at::Tensor& initial) override {
    const at::Tensor series = steps_of(stays);
    if (!bidirectional_) return run<Kind>(rnn_, series, initial, layers_).transpose(0, 1);
    const std::vector<at::Tensor> starts = initial.chunk(2, 1);
    const at::Tensor forward = run<Kind>(rnn_, series, starts[0].contiguous(), layers_);
    const at::Tensor backward =
        run<Kind>(reverse_, reversed(series, stays.length), starts[1].contiguous(), layers_);
    // Both have seen the whole stay where it ends.
    return at::cat({forward, backward}, 2).transpose(0, 1);
  }

  std::unique_ptr<StepEncoder> step_encoder() const override {
    return bidirectional_ ? nullptr : Kind::kStep(variables(), layers_of(*rnn_, layers_));
  }

 private:
  std::int64_t layers_;
  bool bidirectional_;
  typename Kind::Rnn rnn_{nullptr}, reverse_{nullptr};
};

template <typename Kind>
ModelEntry entry(const std::string& name, const std::string& description) {
  return {name, description,
          vitals_options({{"layers", "recurrent layers (1)"},
                          {"bidirectional",
                           "1: half the units run from the stay's end to its beginning; for one "
                           "label a stay, and never bin by bin (0)"}}),
          [](const ModelSpec& spec) { return std::make_shared<Recurrent<Kind>>(spec); },
          Modality::kVitals};
}

}  // namespace

ModelEntry gru() {
  return entry<GruKind>("gru", "GRU over values, masks and time since the last value");
}
ModelEntry lstm() {
  return entry<LstmKind>("lstm", "LSTM over values, masks and time since the last value");
}

}  // namespace salus::models
