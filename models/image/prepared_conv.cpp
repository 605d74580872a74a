#include "models/image/prepared_conv.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/cpu/Utils.h>

#include <optional>
#include <string_view>

namespace salus::models {
namespace {

using Scalars = c10::List<std::optional<at::Scalar>>;
using OptionalName = std::optional<std::string_view>;

// oneDNN's convolution with its sum and activation fused is an operator that LibTorch registers but
// declares in no header.
using ConvPointwise = at::Tensor(const at::Tensor&, const at::Tensor&,
                                 const std::optional<at::Tensor>&, at::IntArrayRef, at::IntArrayRef,
                                 at::IntArrayRef, std::int64_t, std::string_view, Scalars,
                                 OptionalName);
using ConvPointwiseBinary = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                       const std::optional<at::Tensor>&, at::IntArrayRef,
                                       at::IntArrayRef, at::IntArrayRef, std::int64_t,
                                       std::string_view, std::optional<at::Scalar>, OptionalName,
                                       Scalars, OptionalName);
using ReorderWeight = at::Tensor(const at::Tensor&, at::IntArrayRef, at::IntArrayRef,
                                 at::IntArrayRef, std::int64_t, at::OptionalIntArrayRef);

template <typename Signature>
c10::TypedOperatorHandle<Signature> find_operator(const char* name, const char* overload) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, overload).typed<Signature>();
}

const char* onednn_name(Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      return "relu";
    case Activation::kSilu:
      return "swish";
    case Activation::kSigmoid:
      return "sigmoid";
    case Activation::kNone:
      break;
  }
  return "none";
}

bool onednn_runs(const at::Tensor& weight, at::ScalarType dtype) {
  if (!weight.is_cpu() || !at::globalContext().userEnabledMkldnn()) return false;
  if (!at::globalContext().hasMKLDNN()) return false;
  return dtype == at::kFloat || (dtype == at::kBFloat16 && at::cpu::is_avx512_vnni_supported());
}

}  // namespace

FoldedNorm fold(const torch::nn::BatchNorm2dImpl& norm) {
  const at::Tensor scale =
      norm.weight.to(at::kDouble) / (norm.running_var.to(at::kDouble) + norm.options.eps()).sqrt();
  return {scale, norm.bias.to(at::kDouble) - norm.running_mean.to(at::kDouble) * scale};
}

ConvImpl::Prepared::Prepared(const ConvImpl& conv, const torch::nn::BatchNorm2d& norm,
                             Activation activation, at::ScalarType dtype)
    : stride_(conv.options.stride()->begin(), conv.options.stride()->end()),
      dilation_(conv.options.dilation()->begin(), conv.options.dilation()->end()),
      groups_(conv.options.groups()),
      activation_(activation),
      onednn_(onednn_runs(conv.weight, dtype)) {
  const auto& padding = std::get<torch::ExpandingArray<2>>(conv.options.padding());
  padding_.assign(padding->begin(), padding->end());
  weight_ = conv.weight.detach().to(at::kDouble);
  bias_ = conv.bias.defined() ? conv.bias.detach().to(at::kDouble)
                              : at::zeros({weight_.size(0)}, weight_.options());
  if (norm) {
    const FoldedNorm folded = fold(*norm);
    weight_ = weight_ * folded.scale.view({-1, 1, 1, 1});
    bias_ = bias_ * folded.scale + folded.shift;
  }
  move_stride_into_channels();
  weight_ = weight_.to(dtype).contiguous(at::MemoryFormat::ChannelsLast);
  rounded_bias_ = bias_.to(dtype);
  bias_ = onednn_ ? bias_.to(at::kFloat) : rounded_bias_;
}

// A strided convolution of few channels is slow in oneDNN (1 channel, 7 x 7 / 2, bfloat16: 16 ms a
// batch where 2 ms do). The same sum over the 2 x 2 unshuffled image has 4 times the channels and
// no stride: tap o = 2 q + d of the old kernel is tap q of the new one in channel d.
void ConvImpl::Prepared::move_stride_into_channels() {
  const std::int64_t channels = weight_.size(1), kernel = weight_.size(2);
  const bool fits = stride_[0] == 2 && stride_[1] == 2 && groups_ == 1 && channels <= 4 &&
                    kernel % 2 == 1 && kernel == weight_.size(3) && kernel > 1 &&
                    padding_[0] == kernel / 2 && padding_[1] == kernel / 2 && dilation_[0] == 1 &&
                    dilation_[1] == 1;
  if (!fits) return;
  const std::int64_t reach = kernel / 2;
  const std::int64_t before = (reach + 1) / 2, after = reach / 2;
  const std::int64_t taps = before + after + 1;
  at::Tensor wide = at::zeros({weight_.size(0), channels, 2 * taps, 2 * taps}, weight_.options());
  const std::int64_t first = 2 * before - reach;
  wide.narrow(2, first, kernel).narrow(3, first, kernel).copy_(weight_);
  weight_ = at::pixel_unshuffle(wide, 2);
  stride_ = {1, 1};
  padding_ = {0, 0};
  border_ = {2 * before, 2 * after, 2 * before, 2 * after};
}

// [N, C, H, W] -> [N, 4C, taps - 1 + ceil(H / 2), ...]; an odd size gets one more row of the zeros
// that the convolution would have padded with.
at::Tensor ConvImpl::Prepared::unshuffled(const at::Tensor& x) const {
  std::vector<std::int64_t> border = border_;
  border[1] += x.size(3) % 2;
  border[3] += x.size(2) % 2;
  const at::Tensor padded = at::constant_pad_nd(x.contiguous(at::MemoryFormat::Contiguous), border);
  return at::pixel_unshuffle(padded, 2).contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor ConvImpl::Prepared::run(const at::Tensor& x, const at::Tensor& residual) {
  const at::Tensor input = border_.empty() ? x : unshuffled(x);
  return onednn_ ? run_onednn(input, residual) : run_generic(input, residual);
}

at::Tensor ConvImpl::Prepared::run_onednn(const at::Tensor& x, const at::Tensor& residual) {
  static const auto reorder =
      find_operator<ReorderWeight>("mkldnn::_reorder_convolution_weight", "");
  static const auto plain = find_operator<ConvPointwise>("mkldnn::_convolution_pointwise", "");
  static const auto with_sum =
      find_operator<ConvPointwiseBinary>("mkldnn::_convolution_pointwise", "binary");
  std::call_once(pack_once_, [&] {
    packed_ = reorder.call(weight_, padding_, stride_, dilation_, groups_, x.sizes());
  });
  const auto convolve = [&](const char* after) {
    return plain.call(x, packed_, bias_, padding_, stride_, dilation_, groups_, after, Scalars{},
                      OptionalName{""});
  };
  const char* name = onednn_name(activation_);
  if (!residual.defined()) return convolve(name);
  // oneDNN cannot tell the layout of a residual of 1 x 1 pixels and refuses it.
  if (residual.size(2) * residual.size(3) == 1) {
    return activate(convolve("none").add_(residual), activation_);
  }
  const OptionalName after_sum =
      activation_ == Activation::kNone ? std::nullopt : OptionalName(name);
  return with_sum.call(x, residual, packed_, rounded_bias_, padding_, stride_, dilation_, groups_,
                       "add", at::Scalar(1), after_sum, Scalars{}, std::nullopt);
}

at::Tensor ConvImpl::Prepared::run_generic(const at::Tensor& x, const at::Tensor& residual) const {
  at::Tensor y = at::conv2d(x, weight_, bias_, stride_, padding_, dilation_, groups_);
  if (residual.defined()) y = y.add_(residual);
  return activate(std::move(y), activation_);
}

}  // namespace salus::models
