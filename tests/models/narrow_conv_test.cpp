#include "models/image/narrow_conv.h"

#include <gtest/gtest.h>

namespace salus::models {
namespace {

namespace nn = torch::nn;

nn::Conv2dOptions options_of(std::int64_t kernel, std::int64_t stride) {
  return nn::Conv2dOptions(8, 6, kernel).stride(stride).padding(kernel / 2).bias(false);
}

at::Tensor images(at::IntArrayRef shape) {
  return torch::randn(shape).to(at::kBFloat16).contiguous(at::MemoryFormat::ChannelsLast);
}

bool laid_in_strips(const nn::Conv2dOptions& options, const at::Tensor& x) {
  return strips_for(*nn::Conv2d(options), x).has_value();
}

/// Result and gradients of a convolution in float32: there strips change the order of a sum, not
/// more.
struct Outcome {
  at::Tensor y, dx, dweight;
};

Outcome outcome(nn::Conv2d& conv, const at::Tensor& x, const at::Tensor& dy,
                const std::optional<kernels::StripLayout>& layout) {
  const at::Tensor in = x.detach().to(at::kFloat).requires_grad_(true);
  const auto convolve = [&](const at::Tensor& from) { return conv->forward(from); };
  conv->zero_grad();
  const at::Tensor y =
      layout ? convolve_strips(in, *layout, conv->options.stride()->at(0), convolve) : convolve(in);
  if (dy.defined()) y.backward(dy);
  return {y.detach(), in.grad(), conv->weight.grad().defined() ? conv->weight.grad().clone() : y};
}

TEST(NarrowConvTest, EqualsTheConvolutionAndItsGradients) {
  torch::manual_seed(1);
  for (const std::int64_t kernel : {3, 5, 7}) {
    for (const std::int64_t stride : {1, 2, 3}) {
      for (const std::int64_t width : {1, 2, 4, 5, 7}) {
        for (const std::int64_t count : {2, 3, 16, 37}) {
          SCOPED_TRACE(::testing::Message()
                       << kernel << ' ' << stride << ' ' << width << ' ' << count);
          nn::Conv2d conv(options_of(kernel, stride));
          const at::Tensor x = images({count, 8, 5, width});
          const auto layout = strips_for(*conv, x);
          ASSERT_TRUE(layout.has_value());
          const at::Tensor dy = torch::randn_like(outcome(conv, x, {}, std::nullopt).y);
          const Outcome plain = outcome(conv, x, dy, std::nullopt);
          const Outcome strips = outcome(conv, x, dy, layout);
          EXPECT_TRUE(torch::allclose(strips.y, plain.y, 1e-5, 1e-5));
          EXPECT_TRUE(torch::allclose(strips.dx, plain.dx, 1e-5, 1e-5));
          EXPECT_TRUE(torch::allclose(strips.dweight, plain.dweight, 1e-4, 1e-4));
        }
      }
    }
  }
}

TEST(NarrowConvTest, LeavesWideRowsAndOtherConvolutionsAlone) {
  const at::Tensor narrow = images({4, 8, 5, 4});
  EXPECT_TRUE(laid_in_strips(options_of(3, 1), narrow));
  EXPECT_FALSE(laid_in_strips(options_of(3, 1), images({4, 8, 5, 14})));
  EXPECT_FALSE(laid_in_strips(options_of(1, 1), narrow));
  EXPECT_FALSE(laid_in_strips(options_of(3, 1).padding(0), narrow));
  EXPECT_FALSE(laid_in_strips(options_of(3, 1).dilation(2), narrow));
  EXPECT_FALSE(laid_in_strips(options_of(3, 1).groups(2), narrow));
  EXPECT_FALSE(laid_in_strips(options_of(3, 1).padding(torch::kSame), narrow));
  EXPECT_FALSE(laid_in_strips(options_of(3, 1).padding_mode(torch::kReflect), narrow));
  EXPECT_FALSE(laid_in_strips(options_of(3, 1).stride({1, 2}), narrow));
  EXPECT_FALSE(laid_in_strips(options_of(3, 1), narrow.to(at::kFloat)));
  EXPECT_FALSE(laid_in_strips(options_of(3, 1), narrow.contiguous()));
  EXPECT_FALSE(laid_in_strips(options_of(3, 1), narrow.slice(0, 0, 0)));
  EXPECT_FALSE(laid_in_strips(options_of(3, 1), images({1, 8, 5, 4})));
}

}  // namespace
}  // namespace salus::models
