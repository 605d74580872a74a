#include "models/vitals/tcn.h"

#include "models/options.h"
#include "models/vitals/tcn_step.h"
#include "models/vitals/vitals_model.h"

namespace salus::models {
namespace {

namespace nn = torch::nn;

/// A convolution over time that sees no later step; x [N, H, T].
class CausalConvImpl : public nn::Conv1dImpl {
 public:
  CausalConvImpl(std::int64_t channels, std::int64_t kernel, std::int64_t dilation)
      : nn::Conv1dImpl(nn::Conv1dOptions(channels, channels, kernel).dilation(dilation)),
        before_((kernel - 1) * dilation) {}
  at::Tensor forward(const at::Tensor& x) {
    return nn::Conv1dImpl::forward(at::constant_pad_nd(x, {before_, 0}));
  }

 private:
  std::int64_t before_;
};
TORCH_MODULE(CausalConv);

class BlockImpl : public nn::Module {
 public:
  BlockImpl(std::int64_t channels, std::int64_t kernel, std::int64_t dilation, double dropout)
      : dropout_(dropout),
        conv1(register_module("conv1", CausalConv(channels, kernel, dilation))),
        conv2(register_module("conv2", CausalConv(channels, kernel, dilation))) {}

  at::Tensor forward(const at::Tensor& x) {
    const auto kept = [&](const at::Tensor& y) { return at::dropout(y, dropout_, is_training()); };
    return at::relu(x + kept(at::relu(conv2(kept(at::relu(conv1(x)))))));
  }

 private:
  double dropout_;

 public:
  CausalConv conv1, conv2;
};
TORCH_MODULE(Block);

class Tcn : public VitalsModel {
 public:
  explicit Tcn(const ModelSpec& spec) : VitalsModel(spec) {
    const auto layers = positive_option(spec, "layers", 4, kMostLayers);
    const auto kernel = positive_option(spec, "kernel", 3, 64);
    embedding_ = register_module("embedding", nn::Linear(3 * variables(), hidden()));
    blocks_ = register_module("blocks", nn::ModuleList());
    for (std::int64_t i = 0; i < layers; ++i) {
      blocks_->push_back(Block(hidden(), kernel, std::int64_t{1} << i, dropout()));
    }
  }

 protected:
  at::Tensor encode(const Stays& stays, const at::Tensor& initial) override {
    at::Tensor x = (embedding_->forward(series_of(stays)) + initial.unsqueeze(1)).transpose(1, 2);
    for (const auto& block : *blocks_) x = block->as<Block>()->forward(x);
    return x.transpose(1, 2);
  }

  std::unique_ptr<StepEncoder> step_encoder() const override {
    std::vector<TcnLayer> layers;
    for (const auto& block : *blocks_) {
      const auto* convs = block->as<Block>();
      layers.push_back({convs->conv1->weight, convs->conv1->bias});
      layers.push_back({convs->conv2->weight, convs->conv2->bias});
    }
    return tcn_step({embedding_->weight, embedding_->bias}, layers);
  }

 private:
  static constexpr std::int64_t kMostLayers = 12;  // 2^12 bins apart

  nn::Linear embedding_{nullptr};
  nn::ModuleList blocks_{nullptr};
};

}  // namespace

ModelEntry tcn() {
  return {"tcn", "temporal convolutional network: dilated causal convolutions",
          vitals_options({{"layers", "residual blocks, each of twice the dilation (4)"},
                          {"kernel", "taps of a convolution (3)"}}),
          [](const ModelSpec& spec) { return std::make_shared<Tcn>(spec); }, Modality::kVitals};
}

}  // namespace salus::models
