#include "models/image/resnet.h"

#include <array>
#include <string>

#include "models/image/image_model.h"

namespace salus::models {
namespace {

namespace nn = torch::nn;

/// torchvision's "downsample": a 1 x 1 convolution and its normalisation, named 0 and 1.
struct ShortcutImpl : nn::Module {
  ShortcutImpl(std::int64_t in, std::int64_t out, std::int64_t stride)
      : norm(out), conv(conv_options(in, out, 1, stride), norm) {
    register_module("0", conv);
    register_module("1", norm);
  }
  nn::BatchNorm2d norm;
  Conv conv;
};
TORCH_MODULE(Shortcut);

/// A residual block: forward(x) = relu(last(...) + shortcut(x)).
struct Block : nn::Module {
  virtual at::Tensor forward(const at::Tensor& x) = 0;
  /// The normalisation that zero_init_residual starts at 0.
  virtual nn::BatchNorm2d& last_norm() = 0;

  at::Tensor skip(const at::Tensor& x) { return downsample ? downsample->conv->forward(x) : x; }
  Shortcut downsample{nullptr};
};

struct BasicBlock : Block {
  static constexpr std::int64_t kExpansion = 1;

  BasicBlock(std::int64_t in, std::int64_t width, std::int64_t stride, Shortcut shortcut)
      : bn1(width),
        bn2(width),
        conv1(conv_options(in, width, 3, stride), bn1, Activation::kRelu),
        conv2(conv_options(width, width, 3), bn2, Activation::kRelu) {
    register_module("conv1", conv1);
    register_module("bn1", bn1);
    register_module("conv2", conv2);
    register_module("bn2", bn2);
    if (shortcut) downsample = register_module("downsample", shortcut);
  }
  at::Tensor forward(const at::Tensor& x) override {
    return conv2->forward(conv1->forward(x), skip(x));
  }
  nn::BatchNorm2d& last_norm() override { return bn2; }

  nn::BatchNorm2d bn1, bn2;
  Conv conv1, conv2;
};

struct Bottleneck : Block {
  static constexpr std::int64_t kExpansion = 4;

  Bottleneck(std::int64_t in, std::int64_t width, std::int64_t stride, Shortcut shortcut)
      : bn1(width),
        bn2(width),
        bn3(width * kExpansion),
        conv1(conv_options(in, width, 1), bn1, Activation::kRelu),
        conv2(conv_options(width, width, 3, stride), bn2, Activation::kRelu),
        conv3(conv_options(width, width * kExpansion, 1), bn3, Activation::kRelu) {
    register_module("conv1", conv1);
    register_module("bn1", bn1);
    register_module("conv2", conv2);
    register_module("bn2", bn2);
    register_module("conv3", conv3);
    register_module("bn3", bn3);
    if (shortcut) downsample = register_module("downsample", shortcut);
  }
  at::Tensor forward(const at::Tensor& x) override {
    return conv3->forward(conv2->forward(conv1->forward(x)), skip(x));
  }
  nn::BatchNorm2d& last_norm() override { return bn3; }

  nn::BatchNorm2d bn1, bn2, bn3;
  Conv conv1, conv2, conv3;
};

using Depths = std::array<std::int64_t, 4>;

template <typename BlockType>
class ResNet : public ImageModel {
 public:
  ResNet(const ModelSpec& spec, const Depths& depths)
      : ImageModel(fraction_option(spec, "dropout", 0)), small_(flag_option(spec, "small")) {
    const std::int64_t width = positive_option(spec, "width", 64);
    bn1_ = nn::BatchNorm2d(width);
    conv1_ = Conv(
        small_ ? conv_options(spec.channels, width, 3) : conv_options(spec.channels, width, 7, 2),
        bn1_, Activation::kRelu);
    register_module("conv1", conv1_);
    register_module("bn1", bn1_);
    std::int64_t in = width;
    for (std::size_t i = 0; i < depths.size(); ++i) {
      in = add_layer("layer" + std::to_string(i + 1), in, width << i, depths[i], i == 0 ? 1 : 2);
    }
    fc_ = register_module("fc", nn::Linear(in, spec.outputs));
    init_kaiming(*this, torch::kFanOut);
    if (flag_option(spec, "zero_init_residual")) zero_residuals();
  }

  at::Tensor features(const at::Tensor& image) override {
    at::Tensor x = conv1_->forward(image);
    if (!small_) x = at::max_pool2d(x, 3, 2, 1);
    for (const auto& block : blocks_) x = block->forward(x);
    return x;
  }
  std::string first_layer() const override { return "conv1"; }
  std::string head() const override { return "fc"; }

 protected:
  nn::Linear& head_layer() override { return fc_; }

 private:
  std::int64_t add_layer(const std::string& name, std::int64_t in, std::int64_t width,
                         std::int64_t depth, std::int64_t stride) {
    const std::int64_t out = width * BlockType::kExpansion;
    auto layer = register_module(name, std::make_shared<LayerImpl>());
    for (std::int64_t i = 0; i < depth; ++i) {
      const std::int64_t block_stride = i == 0 ? stride : 1;
      // The shortcut draws its initial values before the block does, as in torchvision.
      Shortcut shortcut =
          block_stride != 1 || in != out ? Shortcut(in, out, block_stride) : Shortcut(nullptr);
      blocks_.push_back(std::make_shared<BlockType>(in, width, block_stride, shortcut));
      layer->register_module(std::to_string(i), blocks_.back());
      in = out;
    }
    return out;
  }

  void zero_residuals() {
    at::NoGradGuard no_grad;
    for (const auto& block : blocks_) block->last_norm()->weight.zero_();
  }

  struct LayerImpl : nn::Module {};
  bool small_;
  nn::BatchNorm2d bn1_{nullptr};
  Conv conv1_{nullptr};
  std::vector<std::shared_ptr<Block>> blocks_;
  nn::Linear fc_{nullptr};
};

template <typename BlockType>
ModelEntry entry(const std::string& name, const std::string& description, const Depths& depths) {
  return {name,
          description,
          {{"width", "channels of the first stage (64)"},
           {"small", "1: stem for images of about 28 pixels, 3 x 3, no max pooling (0)"},
           {"dropout", "dropout before the head (0)"},
           {"zero_init_residual", "1: each block starts as the identity (0)"}},
          [depths](const ModelSpec& spec) {
            return std::make_shared<ResNet<BlockType>>(spec, depths);
          }};
}

}  // namespace

ModelEntry resnet18() {
  return entry<BasicBlock>("resnet18", "ResNet-18, 11.2 M parameters", {2, 2, 2, 2});
}
ModelEntry resnet34() {
  return entry<BasicBlock>("resnet34", "ResNet-34, 21.3 M parameters", {3, 4, 6, 3});
}
ModelEntry resnet50() {
  return entry<Bottleneck>("resnet50", "ResNet-50, 23.5 M parameters", {3, 4, 6, 3});
}

}  // namespace salus::models
