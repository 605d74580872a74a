#include "models/image/narrow_conv.h"

namespace salus::models {
namespace {

using kernels::StripLayout;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kWidestOutput = 7;  // from 14 on, nothing is gained
constexpr std::int64_t kStripOutput = 64;  // columns of a strip's output, at most

void keep(AutogradContext* context, const StripLayout& layout) {
  context->saved_data["layout"] =
      std::vector<std::int64_t>{layout.images, layout.width, layout.slot, layout.per_strip};
}

StripLayout kept(AutogradContext* context) {
  const auto values = context->saved_data["layout"].toIntVector();
  return {values[0], values[1], values[2], values[3]};
}

struct SideBySideFunction : torch::autograd::Function<SideBySideFunction> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const StripLayout& layout) {
    keep(context, layout);
    return kernels::side_by_side(x, layout);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    return {from_strips(gradients[0], kept(context)), at::Tensor()};
  }
};

struct TakeApartFunction : torch::autograd::Function<TakeApartFunction> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& strips,
                            const StripLayout& layout) {
    keep(context, layout);
    return kernels::take_apart(strips, layout);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    return {to_strips(gradients[0], kept(context)), at::Tensor()};
  }
};

template <typename Option>
std::int64_t both(const Option& option) {
  return option->at(0) == option->at(1) ? option->at(0) : -1;
}

}  // namespace

std::optional<StripLayout> strips_for(const torch::nn::Conv2dImpl& conv, const at::Tensor& x) {
  const auto& options = conv.options;
  const bool fits = x.is_cpu() && x.dim() == 4 && x.scalar_type() == at::kBFloat16 &&
                    x.is_contiguous(at::MemoryFormat::ChannelsLast) && options.groups() == 1 &&
                    std::holds_alternative<torch::enumtype::kZeros>(options.padding_mode()) &&
                    std::holds_alternative<torch::ExpandingArray<2>>(options.padding());
  if (!fits || x.numel() == 0) return std::nullopt;
  const std::int64_t kernel = both(options.kernel_size()), stride = both(options.stride());
  const std::int64_t padding = both(std::get<torch::ExpandingArray<2>>(options.padding()));
  const bool keeps_size = kernel > 1 && kernel == 2 * padding + 1 && both(options.dilation()) == 1;
  if (!keeps_size || stride < 1) return std::nullopt;
  const std::int64_t width = x.size(3), output = (width - 1) / stride + 1;
  if (output > kWidestOutput) return std::nullopt;
  StripLayout layout{.images = x.size(0), .width = width};
  layout.slot = (width + padding + stride - 1) / stride * stride;
  layout.per_strip =
      std::min(layout.images, std::max<std::int64_t>(1, kStripOutput * stride / layout.slot));
  if (layout.per_strip == 1) return std::nullopt;
  return layout;
}

at::Tensor to_strips(const at::Tensor& x, const StripLayout& layout) {
  return SideBySideFunction::apply(x, layout);
}

at::Tensor from_strips(const at::Tensor& strips, const StripLayout& layout) {
  return TakeApartFunction::apply(strips, layout);
}

}  // namespace salus::models
