#include "models/vitals/transformer.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "engine/io/error.h"
#include "models/options.h"
#include "models/vitals/transformer_step.h"
#include "models/vitals/vitals_model.h"

namespace salus::models {
namespace {

namespace nn = torch::nn;

/// Attention of each step to itself and the window - 1 steps before it.
class WindowAttentionImpl : public nn::Module {
 public:
  WindowAttentionImpl(std::int64_t hidden, std::int64_t heads, std::int64_t window)
      : qkv(register_module("qkv", nn::Linear(hidden, 3 * hidden))),
        project(register_module("project", nn::Linear(hidden, hidden))),
        distance_bias(register_parameter("distance_bias", torch::zeros({heads, window}))) {}

  /// \param x  [N, T, H].
  at::Tensor forward(const at::Tensor& x) {
    const auto n = x.size(0), steps = x.size(1), hidden = x.size(2), heads = distance_bias.size(0);
    const at::Tensor split = qkv(x).view({n, steps, 3, heads, hidden / heads});
    const auto part = [&](std::int64_t i) { return split.select(2, i).transpose(1, 2); };
    const double scale = 1 / std::sqrt(static_cast<double>(hidden / heads));
    const at::Tensor scores = at::matmul(part(0) * scale, part(1).transpose(2, 3)) + bias(steps);
    const at::Tensor mixed = at::matmul(scores.softmax(-1), part(2));
    return project(mixed.transpose(1, 2).reshape({n, steps, hidden}));
  }

 private:
  /// [heads, T, T]: by distance within the window, minus infinity elsewhere.
  at::Tensor bias(std::int64_t steps) const {
    const at::Tensor step = at::arange(steps, distance_bias.options().dtype(at::kLong));
    const at::Tensor distance = step.unsqueeze(1) - step.unsqueeze(0);
    const at::Tensor outside = distance.lt(0).logical_or(distance.ge(distance_bias.size(1)));
    const at::Tensor table =
        distance_bias.index_select(1, distance.masked_fill(outside, 0).flatten());
    return table.view({-1, steps, steps})
        .masked_fill(outside, -std::numeric_limits<double>::infinity());
  }

 public:
  nn::Linear qkv, project;
  at::Tensor distance_bias;
};
TORCH_MODULE(WindowAttention);

class BlockImpl : public nn::Module {
 public:
  BlockImpl(std::int64_t hidden, std::int64_t heads, std::int64_t window, double dropout)
      : norm1(register_module("norm1", nn::LayerNorm(nn::LayerNormOptions({hidden})))),
        norm2(register_module("norm2", nn::LayerNorm(nn::LayerNormOptions({hidden})))),
        attention(register_module("attention", WindowAttention(hidden, heads, window))),
        expand(register_module("expand", nn::Linear(hidden, 4 * hidden))),
        contract(register_module("contract", nn::Linear(4 * hidden, hidden))),
        dropout_(dropout) {}

  at::Tensor forward(const at::Tensor& x) {
    const auto kept = [&](const at::Tensor& y) { return at::dropout(y, dropout_, is_training()); };
    const at::Tensor y = x + kept(attention(norm1(x)));
    return y + kept(contract(at::relu(expand(norm2(y)))));
  }

  TransformerLayer weights() const {
    return {.norm1 = {norm1->weight, norm1->bias},
            .norm2 = {norm2->weight, norm2->bias},
            .qkv = {attention->qkv->weight, attention->qkv->bias},
            .project = {attention->project->weight, attention->project->bias},
            .expand = {expand->weight, expand->bias},
            .contract = {contract->weight, contract->bias},
            .distance_bias = attention->distance_bias};
  }

  nn::LayerNorm norm1, norm2;
  WindowAttention attention;
  nn::Linear expand, contract;

 private:
  double dropout_;
};
TORCH_MODULE(Block);

class Transformer : public VitalsModel {
 public:
  explicit Transformer(const ModelSpec& spec) : VitalsModel(spec) {
    const auto heads = positive_option(spec, "heads", 4);
    const auto layers = positive_option(spec, "layers", 2, kMostLayers);
    const auto window = positive_option(spec, "window", 24);
    if (hidden() % heads != 0) {
      throw UsageError(fmt::format(
          "The model 'transformer' cannot divide hidden = {} among heads = {}; make 'hidden' a "
          "multiple of 'heads'.",
          hidden(), heads));
    }
    embedding_ = register_module("embedding", nn::Linear(3 * variables(), hidden()));
    blocks_ = register_module("blocks", nn::ModuleList());
    for (std::int64_t i = 0; i < layers; ++i) {
      blocks_->push_back(Block(hidden(), heads, window, dropout()));
    }
    norm_ = register_module("norm", nn::LayerNorm(nn::LayerNormOptions({hidden()})));
  }

 protected:
  at::Tensor encode(const Stays& stays, const at::Tensor& initial) override {
    at::Tensor x = embedding_->forward(series_of(stays)) + initial.unsqueeze(1);
    for (const auto& block : *blocks_) x = block->as<Block>()->forward(x);
    return norm_->forward(x);
  }

  std::unique_ptr<StepEncoder> step_encoder() const override {
    std::vector<TransformerLayer> layers;
    for (const auto& block : *blocks_) layers.push_back(block->as<Block>()->weights());
    return transformer_step({embedding_->weight, embedding_->bias}, layers,
                            {norm_->weight, norm_->bias});
  }

 private:
  static constexpr std::int64_t kMostLayers = 64;

  nn::Linear embedding_{nullptr};
  nn::ModuleList blocks_{nullptr};
  nn::LayerNorm norm_{nullptr};
};

}  // namespace

ModelEntry transformer() {
  return {"transformer", "causal transformer whose attention reaches a fixed window back",
          vitals_options({{"layers", "blocks (2)"},
                          {"heads", "attention heads, which divide the units of the state (4)"},
                          {"window", "bins that attention reaches, the newest included (24)"}}),
          [](const ModelSpec& spec) { return std::make_shared<Transformer>(spec); },
          Modality::kVitals};
}

}  // namespace salus::models
