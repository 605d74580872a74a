#include "models/image/efficientnet.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string>

#include "engine/io/error.h"
#include "models/image/image_model.h"

namespace salus::models {
namespace {

namespace nn = torch::nn;

struct Stage {
  std::int64_t expand, kernel, stride, in, out, depth;
};

// Table 1 of the paper, as torchvision writes it.
constexpr std::array<Stage, 7> kStages{{{1, 3, 1, 32, 16, 1},
                                        {6, 3, 2, 16, 24, 2},
                                        {6, 5, 2, 24, 40, 2},
                                        {6, 3, 2, 40, 80, 3},
                                        {6, 5, 1, 80, 112, 3},
                                        {6, 5, 2, 112, 192, 4},
                                        {6, 3, 1, 192, 320, 1}}};

/// To a multiple of 8, at least 8, and not more than 10 % below (torchvision's _make_divisible).
std::int64_t scaled_channels(std::int64_t channels, double factor) {
  const double exact = static_cast<double>(channels) * factor;
  const auto rounded = std::max<std::int64_t>(8, static_cast<std::int64_t>(exact + 4) / 8 * 8);
  return static_cast<double>(rounded) < 0.9 * exact ? rounded + 8 : rounded;
}

/// Convolution 0 and normalisation 1 of a torchvision Conv2dNormActivation.
struct ConvNormImpl : nn::Module {
  ConvNormImpl(const nn::Conv2dOptions& options, Activation activation)
      : norm(options.out_channels()), conv(options, norm, activation) {
    register_module("0", conv);
    register_module("1", norm);
  }
  at::Tensor forward(const at::Tensor& x, const at::Tensor& residual = {}) {
    return conv->forward(x, residual);
  }
  nn::BatchNorm2d norm;
  Conv conv;
};
TORCH_MODULE(ConvNorm);

/// x * sigmoid(fc2(silu(fc1(mean(x))))).
struct SqueezeExcitationImpl : nn::Module {
  SqueezeExcitationImpl(std::int64_t channels, std::int64_t squeezed)
      : fc1(conv_options(channels, squeezed, 1).bias(true), nullptr, Activation::kSilu),
        fc2(conv_options(squeezed, channels, 1).bias(true), nullptr, Activation::kSigmoid) {
    register_module("fc1", fc1);
    register_module("fc2", fc2);
  }
  at::Tensor forward(const at::Tensor& x) {
    const at::Tensor mean = mean_by_image(x, x.scalar_type()).unsqueeze(-1).unsqueeze(-1);
    return x * fc2->forward(fc1->forward(mean));
  }
  Conv fc1, fc2;
};
TORCH_MODULE(SqueezeExcitation);

/// Mobile inverted bottleneck with squeeze-and-excitation.
struct MBConvImpl : nn::Module {
  MBConvImpl(const Stage& stage, double drop) : drop(drop) {
    const std::int64_t wide = scaled_channels(stage.in * stage.expand, 1);
    auto block = register_module("block", std::make_shared<Names>());
    int index = 0;
    const auto name = [&index] { return std::to_string(index++); };
    if (wide != stage.in) {
      expand = block->register_module(name(),
                                      ConvNorm(conv_options(stage.in, wide, 1), Activation::kSilu));
    }
    depthwise = block->register_module(
        name(),
        ConvNorm(conv_options(wide, wide, stage.kernel, stage.stride, wide), Activation::kSilu));
    excite = block->register_module(
        name(), SqueezeExcitation(wide, std::max<std::int64_t>(1, stage.in / 4)));
    project = block->register_module(name(),
                                     ConvNorm(conv_options(wide, stage.out, 1), Activation::kNone));
    residual = stage.stride == 1 && stage.in == stage.out;
  }

  at::Tensor forward(const at::Tensor& x) {
    at::Tensor y = expand ? expand->forward(x) : x;
    y = excite->forward(depthwise->forward(y));
    if (!residual) return project->forward(y);
    if (!is_training() || drop == 0) return project->forward(y, x);
    return stochastic(project->forward(y)) + x;
  }

  // Leaves the block out for whole samples and scales the others, so that the mean is kept.
  at::Tensor stochastic(const at::Tensor& y) const {
    const at::Tensor keep = at::empty({y.size(0), 1, 1, 1}, y.options()).bernoulli_(1 - drop);
    return y * keep.div_(1 - drop);
  }

  struct Names : nn::Module {};
  ConvNorm expand{nullptr}, depthwise{nullptr}, project{nullptr};
  SqueezeExcitation excite{nullptr};
  bool residual = false;
  double drop;
};
TORCH_MODULE(MBConv);

double width_of(const ModelSpec& spec) {
  const double width = spec.option("width", 1);
  if (width > 0 && width <= 16) return width;
  throw UsageError(
      fmt::format("The option 'width' of the model '{}' is {}; it multiplies the "
                  "channels and must be above 0 and at most 16.",
                  spec.name, width));
}

class EfficientNet : public ImageModel {
 public:
  explicit EfficientNet(const ModelSpec& spec) : ImageModel(fraction_option(spec, "dropout", 0.2)) {
    const double width = width_of(spec);
    const std::int64_t stem = scaled_channels(kStages[0].in, width);
    auto features = register_module("features", std::make_shared<Names>());
    stem_ = features->register_module(
        "0", ConvNorm(conv_options(spec.channels, stem, 3, flag_option(spec, "small") ? 1 : 2),
                      Activation::kSilu));
    add_stages(*features, width, fraction_option(spec, "stochastic_depth", 0.2));
    const std::int64_t last = scaled_channels(kStages.back().out, width);
    last_ = features->register_module(std::to_string(kStages.size() + 1),
                                      ConvNorm(conv_options(last, 4 * last, 1), Activation::kSilu));
    classifier_ = nn::Linear(4 * last, spec.outputs);
    register_module("classifier", std::make_shared<Names>())->register_module("1", classifier_);
    init_kaiming(*this, torch::kFanOut);
    const double range = 1 / std::sqrt(static_cast<double>(spec.outputs));
    nn::init::uniform_(classifier_->weight, -range, range);
    nn::init::zeros_(classifier_->bias);
  }

  at::Tensor features(const at::Tensor& image) override {
    at::Tensor x = stem_->forward(image);
    for (MBConv& block : blocks_) x = block->forward(x);
    return last_->forward(x);
  }
  std::string first_layer() const override { return "features.0.0"; }
  std::string head() const override { return "classifier.1"; }

 protected:
  nn::Linear& head_layer() override { return classifier_; }

 private:
  struct Names : nn::Module {};

  void add_stages(nn::Module& features, double width, double stochastic_depth) {
    std::int64_t total = 0;
    for (const Stage& stage : kStages) total += stage.depth;
    std::int64_t done = 0;
    for (std::size_t s = 0; s < kStages.size(); ++s) {
      auto stage_module =
          features.register_module(std::to_string(s + 1), std::make_shared<Names>());
      Stage stage = kStages[s];
      stage.in = scaled_channels(stage.in, width);
      stage.out = scaled_channels(stage.out, width);
      for (std::int64_t i = 0; i < stage.depth; ++i, ++done) {
        const double drop =
            stochastic_depth * static_cast<double>(done) / static_cast<double>(total);
        blocks_.push_back(stage_module->register_module(std::to_string(i), MBConv(stage, drop)));
        stage.in = stage.out;
        stage.stride = 1;
      }
    }
  }

  ConvNorm stem_{nullptr}, last_{nullptr};
  std::vector<MBConv> blocks_;
  nn::Linear classifier_{nullptr};
};

}  // namespace

ModelEntry efficientnet_b0() {
  return {"efficientnet_b0",
          "EfficientNet-B0, 4.0 M parameters",
          {{"width", "multiplier of all channels (1)"},
           {"small", "1: stride 1 in the stem, for small images (0)"},
           {"dropout", "dropout before the head (0.2)"},
           {"stochastic_depth", "probability of leaving out the last block in training (0.2)"}},
          [](const ModelSpec& spec) { return std::make_shared<EfficientNet>(spec); }};
}

}  // namespace salus::models
