#include "models/image/layers.h"

#include "models/image/narrow_conv.h"
#include "models/image/norm_act.h"
#include "models/image/prepared_conv.h"
#include "models/image/scale_shift_relu.h"

namespace salus::models {

namespace nn = torch::nn;

nn::Conv2dOptions conv_options(std::int64_t in, std::int64_t out, std::int64_t kernel,
                               std::int64_t stride, std::int64_t groups) {
  return nn::Conv2dOptions(in, out, kernel)
      .stride(stride)
      .padding((kernel - 1) / 2)
      .groups(groups)
      .bias(false);
}

at::Tensor activate(at::Tensor x, Activation activation) {
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kRelu:
      return x.relu_();
    case Activation::kSilu:
      return at::GradMode::is_enabled() ? at::silu(x) : at::silu_(x);
    case Activation::kSigmoid:
      return x.sigmoid_();
  }
  return x;
}

ConvImpl::ConvImpl(const nn::Conv2dOptions& options, nn::BatchNorm2d norm, Activation activation)
    : nn::Conv2dImpl(options), norm_(std::move(norm)), activation_(activation) {}

ConvImpl::~ConvImpl() = default;

at::Tensor ConvImpl::forward(const at::Tensor& x, const at::Tensor& residual) {
  if (prepared_) return prepared_->run(x, residual);
  at::Tensor y = convolve(x);
  if (norm_) return norm_act(*norm_, y, activation_, residual);
  if (residual.defined()) y = y.add_(residual);
  return activate(std::move(y), activation_);
}

at::Tensor ConvImpl::convolve(const at::Tensor& x) {
  // In training only: a score must not depend on which images are beside it.
  if (is_training() && at::GradMode::is_enabled()) {
    if (const auto layout = strips_for(*this, x)) {
      return convolve_strips(x, *layout, options.stride()->at(0), [this](const at::Tensor& strips) {
        return nn::Conv2dImpl::forward(strips);
      });
    }
  }
  return nn::Conv2dImpl::forward(x);
}

void ConvImpl::prepare(at::ScalarType dtype) {
  at::NoGradGuard no_grad;
  prepared_ = std::make_unique<Prepared>(*this, norm_, activation_, dtype);
  weight.set_data(at::empty({0}, weight.options()));  // not kept twice
}

NormReluImpl::NormReluImpl(std::int64_t channels) : nn::BatchNorm2dImpl(channels) {}

at::Tensor NormReluImpl::forward(const at::Tensor& x) {
  if (scale_.defined()) return scale_shift_relu(x, scale_, shift_);
  return norm_act(*this, x, Activation::kRelu);
}

void NormReluImpl::prepare(at::ScalarType) {
  at::NoGradGuard no_grad;
  const FoldedNorm folded = fold(*this);
  scale_ = folded.scale.to(at::kFloat);
  shift_ = folded.shift.to(at::kFloat);
}

at::Tensor mean_by_image(const at::Tensor& x, at::ScalarType dtype) {
  if (at::GradMode::is_enabled() || x.size(0) == 0) return at::mean(x, {2, 3}, false, dtype);
  std::vector<at::Tensor> means;
  for (const at::Tensor& image : x.split(1)) means.push_back(at::mean(image, {2, 3}, false, dtype));
  return at::cat(means);
}

void prepare_layers(nn::Module& module, at::ScalarType dtype) {
  for (const auto& child : module.modules(/*include_self=*/false)) {
    if (auto* conv = child->as<ConvImpl>()) conv->prepare(dtype);
    if (auto* norm = child->as<NormReluImpl>()) norm->prepare(dtype);
  }
}

void init_kaiming(nn::Module& module, nn::init::FanModeType mode) {
  at::NoGradGuard no_grad;
  for (const auto& child : module.modules(/*include_self=*/false)) {
    if (auto* conv = dynamic_cast<nn::Conv2dImpl*>(child.get())) {
      nn::init::kaiming_normal_(conv->weight, 0, mode, torch::kReLU);
      if (conv->bias.defined()) nn::init::zeros_(conv->bias);
    }
  }
}

}  // namespace salus::models
