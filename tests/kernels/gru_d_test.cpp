#include "kernels/gru_d.h"

#include <ATen/Parallel.h>
#include <hwy/targets.h>

#include <cmath>

#include "kernels/dispatch.h"
#include "tests/kernels/gru_d_cases.h"

namespace salus::kernels {
namespace {

constexpr double kFloatTolerance = 4e-6;

GruDGradients backward_of(const GruDCase& c, const at::Tensor& saved) {
  return gru_d_backward(c.input, c.parameters, saved, c.grad_hidden, c.grad_last, true, true);
}

/// Forward and backward pass of one case against the float64 formula.
void expect_reference(const GruDCase& c, double tolerance) {
  const GruDExpected expected = expected_of(c);
  const GruDOutput out = gru_d_forward(c.input, c.parameters, true);
  expect_close("hidden", out.hidden, expected.result.hidden, tolerance);
  expect_close("last", out.last, expected.result.last, tolerance);
  expect_gradients(backward_of(c, out.saved), expected.gradients, tolerance);
}

class GruDTest : public ::testing::TestWithParam<at::DeviceType> {
 protected:
  void SetUp() override {
    if (GetParam() == at::kCUDA && !cuda_problem().empty()) GTEST_SKIP() << cuda_problem();
  }
  GruDCase placed(const GruDCase& c, at::ScalarType dtype = at::kFloat) const {
    return moved(c, GetParam(), dtype);
  }
};

TEST_P(GruDTest, IsTheFormulaAndItsGradientsForEveryShape) {
  const std::int64_t shapes[][4] = {{1, 1, 1, 1},     {3, 1, 5, 8},    {2, 7, 16, 16},
                                    {9, 8, 17, 15},   {8, 9, 15, 17},  {5, 12, 37, 64},
                                    {17, 20, 33, 31}, {4, 17, 3, 130}, {1, 30, 48, 48}};
  for (const auto& [n, t, d, h] : shapes) {
    SCOPED_TRACE(testing::Message()
                 << n << " series, " << t << " steps, " << d << " variables, " << h << " units");
    expect_reference(placed(gru_d_case(n, t, d, h)), kFloatTolerance);
  }
}

TEST_P(GruDTest, TakesBfloat16) {
  const GruDCase c = placed(gru_d_case(6, 11, 9, 20), at::kBFloat16);
  const GruDOutput out = gru_d_forward(c.input, c.parameters, true);
  EXPECT_EQ(out.hidden.scalar_type(), at::kBFloat16);
  EXPECT_EQ(out.saved.scalar_type(), at::kFloat);
  // Rounded once: half a unit in the last of 8 digits.
  expect_reference(c, 1.0 / 256);
}

TEST_P(GruDTest, EveryLengthFromNoneToAll) {
  GruDCase c = gru_d_case(10, 9, 4, 6);
  c.input.length = at::arange(10, at::kLong);
  expect_reference(placed(c), kFloatTolerance);
}

TEST_P(GruDTest, StepsBeyondTheLengthLeaveTheState) {
  GruDCase c = gru_d_case(4, 6, 3, 5);
  c.input.length = at::tensor({0, 2, 6, 5}, at::kLong);
  const GruDOutput out = gru_d_forward(placed(c).input, placed(c).parameters, false);
  EXPECT_FALSE(out.saved.defined());
  const at::Tensor hidden = out.hidden.cpu(), last = out.last.cpu();
  EXPECT_TRUE(same_bits(hidden[0], c.input.initial[0].expand({6, 5}).contiguous()));
  EXPECT_TRUE(same_bits(last[0], c.input.initial[0]));
  EXPECT_TRUE(same_bits(hidden[1][5], hidden[1][1]));
  for (const std::int64_t i : {1, 2, 3}) EXPECT_TRUE(same_bits(last[i], hidden[i][5])) << i;
}

TEST_P(GruDTest, WhatLiesBeyondTheLengthIsNotRead) {
  const GruDCase c = placed(gru_d_case(5, 8, 6, 7));
  GruDCase spoilt = c;
  const auto beyond =
      (at::arange(8, c.input.length.options()).unsqueeze(0) >= c.input.length.unsqueeze(1))
          .unsqueeze(2);
  spoilt.input.values = c.input.values.masked_fill(beyond, std::nan(""));
  spoilt.input.delta = c.input.delta.masked_fill(beyond, std::nan(""));
  spoilt.input.mask = c.input.mask.masked_fill(beyond, 1);
  const GruDOutput a = gru_d_forward(c.input, c.parameters, true);
  const GruDOutput b = gru_d_forward(spoilt.input, spoilt.parameters, true);
  EXPECT_TRUE(same_bits(a.hidden, b.hidden));
  GruDGradients of_a = backward_of(c, a.saved), of_b = backward_of(spoilt, b.saved);
  for (std::size_t i = 0; i < tensors_of(of_a).size(); ++i) {
    EXPECT_TRUE(same_bits(*tensors_of(of_a)[i].second, *tensors_of(of_b)[i].second))
        << tensors_of(of_a)[i].first;
  }
}

TEST_P(GruDTest, ObservedNanStaysInItsSeries) {
  GruDCase c = gru_d_case(4, 6, 3, 5);
  c.input.length.fill_(6);
  c.input.mask[2][3][1] = 1;
  c.input.values[2][3][1] = std::nan("");
  const GruDCase p = placed(c);
  const at::Tensor hidden = gru_d_forward(p.input, p.parameters, false).hidden.cpu();
  EXPECT_FALSE(hidden[2].slice(0, 0, 3).isnan().any().item<bool>());
  EXPECT_TRUE(hidden[2].slice(0, 3).isnan().all().item<bool>());
  for (const std::int64_t i : {0, 1, 3}) EXPECT_FALSE(hidden[i].isnan().any().item<bool>()) << i;
}

TEST_P(GruDTest, WithoutMissingValuesAndDecayItIsTorchsGru) {
  GruDCase c = gru_d_case(3, 10, 6, 8);
  c.input.mask.fill_(1);
  c.input.values = at::randn({3, 10, 6});
  c.input.length.fill_(10);
  c.parameters.hidden_decay_weight.zero_();
  c.parameters.hidden_decay_bias.zero_();
  const GruDCase p = placed(c);
  const at::Tensor inputs = at::cat({p.input.values, p.input.mask}, 2);
  const auto [hidden, last] = at::gru(
      inputs, p.input.initial.unsqueeze(0),
      {p.parameters.weight_ih, p.parameters.weight_hh, p.parameters.bias_ih, p.parameters.bias_hh},
      true, 1, 0.0, false, false, true);
  const GruDOutput out = gru_d_forward(p.input, p.parameters, false);
  EXPECT_LE((out.hidden - hidden).abs().max().item<double>(), 2e-6);
  EXPECT_LE((out.last - last[0]).abs().max().item<double>(), 2e-6);
}

TEST_P(GruDTest, ADecayOfZeroIsOffForTheGradientToo) {
  // relu'(0) = 0, however small the sum: at 1e-9 the exponential rounds to 1, but the slope is -1.
  GruDCase c = gru_d_case(2, 5, 3, 4);
  c.parameters.hidden_decay_weight.zero_();
  c.parameters.input_decay_weight.zero_();
  c.parameters.hidden_decay_bias = at::tensor({0.0, 1e-9, -1.0, 0.0}, at::kFloat);
  c.parameters.input_decay_bias = at::tensor({0.0, 1e-9, -1.0}, at::kFloat);
  expect_reference(placed(c), kFloatTolerance);
  const GruDCase p = placed(c);
  const GruDOutput out = gru_d_forward(p.input, p.parameters, true);
  const at::Tensor bias = backward_of(p, out.saved).parameters.hidden_decay_bias.cpu();
  EXPECT_EQ(bias[0].item<float>(), 0);
  EXPECT_NE(bias[1].item<float>(), 0);
}

TEST_P(GruDTest, MasksOfOtherTypesAreTheSame) {
  const GruDCase c = placed(gru_d_case(3, 5, 4, 6));
  const at::Tensor hidden = gru_d_forward(c.input, c.parameters, false).hidden;
  for (const at::ScalarType type : {at::kBool, at::kByte}) {
    GruDInput other = c.input;
    other.mask = c.input.mask.to(type);
    EXPECT_TRUE(same_bits(gru_d_forward(other, c.parameters, false).hidden, hidden)) << type;
  }
}

TEST_P(GruDTest, NonContiguousTensorsAreRead) {
  const GruDCase c = placed(gru_d_case(5, 6, 7, 9));
  GruDCase strided = c;
  const auto spread = [](at::Tensor& tensor) {
    const at::Tensor doubled = at::stack({tensor, tensor + 1}, -1).contiguous();
    tensor = doubled.select(-1, 0);
  };
  for (auto& [name, tensor] : tensors_of(strided.input)) spread(*tensor);
  for (auto& [name, tensor] : tensors_of(strided.parameters)) spread(*tensor);
  spread(strided.input.mask), spread(strided.input.length);
  spread(strided.grad_hidden), spread(strided.grad_last);
  ASSERT_FALSE(strided.input.values.is_contiguous());
  const GruDOutput a = gru_d_forward(c.input, c.parameters, true);
  const GruDOutput b = gru_d_forward(strided.input, strided.parameters, true);
  EXPECT_TRUE(same_bits(a.hidden, b.hidden));
  EXPECT_TRUE(same_bits(backward_of(c, a.saved).parameters.weight_ih,
                        backward_of(strided, b.saved).parameters.weight_ih));
}

TEST_P(GruDTest, UndefinedGradientsAreZero) {
  const GruDCase c = placed(gru_d_case(4, 6, 3, 5));
  const at::Tensor saved = gru_d_forward(c.input, c.parameters, true).saved;
  const auto weight = [&](const at::Tensor& of_hidden, const at::Tensor& of_last) {
    return gru_d_backward(c.input, c.parameters, saved, of_hidden, of_last, false, false)
        .parameters.weight_ih;
  };
  const at::Tensor zero_hidden = at::zeros_like(c.grad_hidden);
  const at::Tensor zero_last = at::zeros_like(c.grad_last);
  EXPECT_TRUE(at::equal(weight(c.grad_hidden, {}), weight(c.grad_hidden, zero_last)));
  EXPECT_TRUE(at::equal(weight({}, c.grad_last), weight(zero_hidden, c.grad_last)));
  const GruDGradients none = gru_d_backward(c.input, c.parameters, saved, {}, {}, false, false);
  EXPECT_EQ(none.parameters.weight_hh.abs().max().item<float>(), 0);
  EXPECT_FALSE(none.values.defined());
  EXPECT_FALSE(none.delta.defined());
}

TEST_P(GruDTest, EmptyBatchesAndSeriesGiveEmptyTensors) {
  for (const auto& [n, t] : {std::pair{0, 5}, std::pair{3, 0}, std::pair{0, 0}}) {
    expect_reference(placed(gru_d_case(n, t, 4, 6)), kFloatTolerance);
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, GruDTest, ::testing::Values(at::kCPU, at::kCUDA),
                         [](const auto& info) {
                           return std::string(info.param == at::kCPU ? "Cpu" : "Cuda");
                         });

TEST(GruDCpuTest, ASeriesHasTheSameBitsInAnyBatch) {
  const GruDCase c = gru_d_case(13, 19, 21, 24);
  const at::Tensor hidden = gru_d_forward(c.input, c.parameters, false).hidden;
  for (const std::int64_t i : {0, 5, 12}) {
    GruDInput alone = c.input;
    for (at::Tensor* tensor :
         {&alone.values, &alone.mask, &alone.delta, &alone.length, &alone.initial}) {
      *tensor = tensor->slice(0, i, i + 1);
    }
    EXPECT_TRUE(same_bits(gru_d_forward(alone, c.parameters, false).hidden[0], hidden[i])) << i;
  }
}

TEST(GruDCpuTest, ThreadsDoNotChangeTheBits) {
  const GruDCase c = gru_d_case(41, 13, 9, 20);
  const int before = at::get_num_threads();
  std::vector<at::Tensor> first;
  for (const int threads : {1, 2, 5}) {
    at::set_num_threads(threads);
    const GruDOutput out = gru_d_forward(c.input, c.parameters, true);
    GruDGradients gradients = backward_of(c, out.saved);
    std::vector<at::Tensor> all = {out.hidden, out.last};
    for (const auto& [name, tensor] : tensors_of(gradients)) all.push_back(*tensor);
    if (first.empty()) first = all;
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_TRUE(same_bits(all[i], first[i])) << i;
  }
  at::set_num_threads(before);
}

/// The processor's best instruction set is what all other tests run.
class GruDTargetTest : public ::testing::TestWithParam<std::int64_t> {
 protected:
  static void choose(std::int64_t targets) {
    hwy::SetSupportedTargetsForTest(targets);
    hwy::GetChosenTarget().DeInit();
  }
  void TearDown() override { choose(0); }
};

TEST_P(GruDTargetTest, EveryInstructionSetMatchesTheReference) {
  if ((hwy::SupportedTargets() & GetParam()) == 0) {
    GTEST_SKIP() << "this processor has no " << hwy::TargetName(GetParam());
  }
  choose(GetParam());
  expect_reference(gru_d_case(11, 13, 19, 23), kFloatTolerance);
}

INSTANTIATE_TEST_SUITE_P(Targets, GruDTargetTest,
                         ::testing::Values(HWY_SSSE3, HWY_SSE4, HWY_AVX2, HWY_AVX3),
                         [](const auto& info) { return std::string(hwy::TargetName(info.param)); });

}  // namespace
}  // namespace salus::kernels
