#include "models/image/densenet.h"

#include <array>
#include <regex>
#include <string>

#include "models/image/image_model.h"

namespace salus::models {
namespace {

namespace nn = torch::nn;

constexpr std::int64_t kBottleneck = 4;  // channels of a layer's 1 x 1 convolution over its growth

struct DenseLayerImpl : nn::Module {
  DenseLayerImpl(std::int64_t in, std::int64_t growth)
      : norm1(in),
        norm2(kBottleneck * growth),
        conv1(conv_options(in, kBottleneck * growth, 1), norm2, Activation::kRelu),
        conv2(conv_options(kBottleneck * growth, growth, 3)) {
    register_module("norm1", norm1);
    register_module("conv1", conv1);
    register_module("norm2", norm2);
    register_module("conv2", conv2);
  }
  at::Tensor forward(const at::Tensor& x) {
    return conv2->forward(conv1->forward(norm1->forward(x)));
  }
  NormRelu norm1;
  nn::BatchNorm2d norm2;
  Conv conv1, conv2;
};
TORCH_MODULE(DenseLayer);

struct DenseBlockImpl : nn::Module {
  DenseBlockImpl(std::int64_t depth, std::int64_t in, std::int64_t growth) {
    for (std::int64_t i = 0; i < depth; ++i) {
      layers.push_back(register_module("denselayer" + std::to_string(i + 1),
                                       DenseLayer(in + i * growth, growth)));
    }
  }
  at::Tensor forward(at::Tensor x) {
    for (DenseLayer& layer : layers) x = at::cat({x, layer->forward(x)}, 1);
    return x;
  }
  std::vector<DenseLayer> layers;
};
TORCH_MODULE(DenseBlock);

struct TransitionImpl : nn::Module {
  explicit TransitionImpl(std::int64_t in) : norm(in), conv(conv_options(in, in / 2, 1)) {
    register_module("norm", norm);
    register_module("conv", conv);
  }
  at::Tensor forward(const at::Tensor& x) {
    return at::avg_pool2d(conv->forward(norm->forward(x)), 2, 2);
  }
  NormRelu norm;
  Conv conv;
};
TORCH_MODULE(Transition);

class DenseNet : public ImageModel {
 public:
  DenseNet(const ModelSpec& spec, const std::array<std::int64_t, 4>& depths)
      : ImageModel(fraction_option(spec, "dropout", 0)), small_(flag_option(spec, "small")) {
    const std::int64_t growth = positive_option(spec, "growth", 32);
    std::int64_t width = positive_option(spec, "width", 64);
    auto features = register_module("features", std::make_shared<FeaturesImpl>());
    norm0_ = nn::BatchNorm2d(width);
    conv0_ = Conv(
        small_ ? conv_options(spec.channels, width, 3) : conv_options(spec.channels, width, 7, 2),
        norm0_, Activation::kRelu);
    features->register_module("conv0", conv0_);
    features->register_module("norm0", norm0_);
    for (std::size_t i = 0; i < depths.size(); ++i) {
      const std::string number = std::to_string(i + 1);
      blocks_.push_back(
          features->register_module("denseblock" + number, DenseBlock(depths[i], width, growth)));
      width += depths[i] * growth;
      if (i + 1 == depths.size()) break;
      transitions_.push_back(features->register_module("transition" + number, Transition(width)));
      width /= 2;
    }
    norm5_ = features->register_module("norm5", NormRelu(width));
    classifier_ = register_module("classifier", nn::Linear(width, spec.outputs));
    init_kaiming(*this, torch::kFanIn);
    nn::init::zeros_(classifier_->bias);
  }

  at::Tensor features(const at::Tensor& image) override {
    at::Tensor x = conv0_->forward(image);
    if (!small_) x = at::max_pool2d(x, 3, 2, 1);
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      x = blocks_[i]->forward(x);
      if (i < transitions_.size()) x = transitions_[i]->forward(x);
    }
    return norm5_->forward(x);
  }
  std::string first_layer() const override { return "features.conv0"; }
  std::string head() const override { return "classifier"; }

  std::string canonical_name(const std::string& published) const override {
    static const std::regex old("(.*denselayer\\d+\\.(?:norm|conv))\\.(\\d+\\..*)");
    return std::regex_replace(published, old, "$1$2");
  }

 protected:
  nn::Linear& head_layer() override { return classifier_; }

 private:
  struct FeaturesImpl : nn::Module {};
  bool small_;
  nn::BatchNorm2d norm0_{nullptr};
  Conv conv0_{nullptr};
  std::vector<DenseBlock> blocks_;
  std::vector<Transition> transitions_;
  NormRelu norm5_{nullptr};
  nn::Linear classifier_{nullptr};
};

}  // namespace

ModelEntry densenet121() {
  return {"densenet121",
          "DenseNet-121, 7.0 M parameters",
          {{"width", "channels of the stem (64)"},
           {"growth", "channels that each layer adds (32)"},
           {"small", "1: stem for images of about 28 pixels, 3 x 3, no max pooling (0)"},
           {"dropout", "dropout before the head (0)"}},
          [](const ModelSpec& spec) {
            return std::make_shared<DenseNet>(spec, std::array<std::int64_t, 4>{6, 12, 24, 16});
          }};
}

}  // namespace salus::models
