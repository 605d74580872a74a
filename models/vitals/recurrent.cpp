#include "models/vitals/recurrent.h"

#include <fmt/format.h>

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

class Gru : public VitalsModel {
 public:
  explicit Gru(const ModelSpec& spec)
      : VitalsModel(spec), layers_(positive_option(spec, "layers", 1)) {
    rnn_ = register_module(
        "rnn",
        nn::GRU(
            nn::GRUOptions(3 * spec.variables, hidden()).num_layers(layers_).batch_first(true)));
  }

 protected:
  at::Tensor encode(const Stays& stays, const at::Tensor& initial) override {
    return std::get<0>(rnn_->forward(series_of(stays), layered(initial, layers_)));
  }

  std::unique_ptr<StepEncoder> step_encoder() const override {
    return gru_step(variables(), layers_of(*rnn_, layers_));
  }

 private:
  std::int64_t layers_;
  nn::GRU rnn_{nullptr};
};

class Lstm : public VitalsModel {
 public:
  explicit Lstm(const ModelSpec& spec)
      : VitalsModel(spec), layers_(positive_option(spec, "layers", 1)) {
    rnn_ = register_module(
        "rnn",
        nn::LSTM(
            nn::LSTMOptions(3 * spec.variables, hidden()).num_layers(layers_).batch_first(true)));
  }

 protected:
  at::Tensor encode(const Stays& stays, const at::Tensor& initial) override {
    const at::Tensor state = layered(initial, layers_);
    return std::get<0>(
        rnn_->forward(series_of(stays), std::make_tuple(state, at::zeros_like(state))));
  }

  std::unique_ptr<StepEncoder> step_encoder() const override {
    return lstm_step(variables(), layers_of(*rnn_, layers_));
  }

 private:
  std::int64_t layers_;
  nn::LSTM rnn_{nullptr};
};

template <typename Network>
ModelEntry entry(const std::string& name, const std::string& description) {
  return {name, description, vitals_options({{"layers", "recurrent layers (1)"}}),
          [](const ModelSpec& spec) { return std::make_shared<Network>(spec); }, Modality::kVitals};
}

}  // namespace

ModelEntry gru() {
  return entry<Gru>("gru", "GRU over values, masks and time since the last value");
}
ModelEntry lstm() {
  return entry<Lstm>("lstm", "LSTM over values, masks and time since the last value");
}

}  // namespace salus::models
