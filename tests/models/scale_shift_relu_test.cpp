#include "models/image/scale_shift_relu.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

namespace salus::models {
namespace {

/// The formula in float64.
at::Tensor reference(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift) {
  const auto wide = [](const at::Tensor& t) { return t.to(torch::kDouble).view({1, -1, 1, 1}); };
  return (x.to(torch::kDouble) * wide(scale) + wide(shift)).relu();
}

class ScaleShiftReluTest : public ::testing::TestWithParam<at::ScalarType> {};

TEST_P(ScaleShiftReluTest, IsTheFormulaForEveryChannelCountAndLayout) {
  torch::manual_seed(1);
  for (const std::int64_t channels : {1, 3, 15, 16, 17, 33, 64, 100}) {
    const at::Tensor scale = torch::randn({channels}), shift = torch::randn({channels});
    for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
      const at::Tensor x = torch::randn({3, channels, 5, 7}).to(GetParam()).contiguous(format);
      const at::Tensor y = scale_shift_relu(x, scale, shift);
      ASSERT_EQ(y.scalar_type(), GetParam());
      const double ulp = GetParam() == at::kFloat ? 1e-6 : 1.0 / 256;
      EXPECT_TRUE(torch::allclose(y.to(torch::kDouble), reference(x, scale, shift), ulp, 1e-6))
          << channels;
    }
  }
}

TEST_P(ScaleShiftReluTest, GivesAPixelTheSameBitsAnywhereInTheBatch) {
  torch::manual_seed(2);
  const at::Tensor image = torch::randn({1, 37, 41, 43}).to(GetParam());
  const at::Tensor scale = torch::randn({37}), shift = torch::randn({37});
  const at::Tensor alone = scale_shift_relu(image, scale, shift);
  const at::Tensor all = scale_shift_relu(image.repeat({5, 1, 1, 1}), scale, shift);
  for (std::int64_t i = 0; i < 5; ++i) EXPECT_TRUE(torch::equal(all[i], alone[0])) << i;
}

TEST_P(ScaleShiftReluTest, KeepsNaNAndInfinity) {
  const at::Tensor x = torch::tensor({NAN, INFINITY, -INFINITY, -0.0f}).view({1, 1, 2, 2});
  const at::Tensor y =
      scale_shift_relu(x.to(GetParam()), torch::ones({1}), torch::zeros({1})).flatten();
  EXPECT_TRUE(std::isnan(y[0].item<float>()));
  EXPECT_EQ(y[1].item<float>(), INFINITY);
  EXPECT_EQ(y[2].item<float>(), 0);
  EXPECT_EQ(y[3].item<float>(), 0);
}

TEST_P(ScaleShiftReluTest, TakesAnEmptyBatch) {
  const at::Tensor x = torch::zeros({0, 4, 5, 5}).to(GetParam());
  EXPECT_EQ(scale_shift_relu(x, torch::ones({4}), torch::zeros({4})).sizes(), x.sizes());
}

INSTANTIATE_TEST_SUITE_P(Types, ScaleShiftReluTest, ::testing::Values(at::kFloat, at::kBFloat16));

}  // namespace
}  // namespace salus::models
