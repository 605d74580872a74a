#include "models/image/smallcnn.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/io/error.h"
#include "models/image/image_model.h"
#include "models/row_wise.h"

namespace salus::models {
namespace {

namespace nn = torch::nn;

constexpr std::int64_t kStages = 3;
constexpr std::int64_t kGrid = 4;  // side of the map that the dense layer sees, at most

class SmallCnn : public ImageModel {
 public:
  explicit SmallCnn(const ModelSpec& spec)
      : ImageModel(fraction_option(spec, "dropout", 0)),
        grid_{std::min(kGrid, spec.height >> kStages), std::min(kGrid, spec.width >> kStages)} {
    if (std::min(spec.height, spec.width) < (1 << kStages)) {
      throw UsageError(
          fmt::format("The model 'smallcnn' halves the image three times: {} x {} is "
                      "too small, 8 x 8 is the least.",
                      spec.height, spec.width));
    }
    std::int64_t in = spec.channels, out = positive_option(spec, "width", 32);
    for (std::int64_t i = 1; i <= kStages; ++i) {
      nn::BatchNorm2d norm(out);
      convs_.push_back(register_module(fmt::format("conv{}", i),
                                       Conv(conv_options(in, out, 3), norm, Activation::kRelu)));
      register_module(fmt::format("bn{}", i), norm);
      in = out;
      out *= 2;
    }
    const std::int64_t dense = positive_option(spec, "dense", 512);
    fc1_ = register_module("fc1", nn::Linear(in * grid_[0] * grid_[1], dense));
    fc_ = register_module("fc", nn::Linear(dense, spec.outputs));
    init_kaiming(*this, torch::kFanOut);
  }

  at::Tensor features(const at::Tensor& image) override {
    at::Tensor x = image;
    for (Conv& conv : convs_) x = at::max_pool2d(conv->forward(x), 2, 2);
    return x;
  }

  at::Tensor pool(const at::Tensor& map) override {
    const at::Tensor grid = at::adaptive_avg_pool2d(map, grid_);
    return linear_by_row(fc1_, grid.to(fc1_->weight.scalar_type()).flatten(1)).relu_();
  }
  std::string first_layer() const override { return "conv1"; }
  std::string head() const override { return "fc"; }

 protected:
  nn::Linear& head_layer() override { return fc_; }

 private:
  std::array<std::int64_t, 2> grid_;
  std::vector<Conv> convs_;
  nn::Linear fc1_{nullptr}, fc_{nullptr};
};

}  // namespace

ModelEntry smallcnn() {
  return {"smallcnn",
          "Three convolutions and a dense layer, 1.1 M parameters at 224 pixels",
          {{"width", "channels of the first convolution (32)"},
           {"dense", "width of the dense layer (512)"},
           {"dropout", "dropout before the head (0)"}},
          [](const ModelSpec& spec) { return std::make_shared<SmallCnn>(spec); }};
}

}  // namespace salus::models
