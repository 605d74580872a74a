#include "kernels/batch_norm_act.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <limits>

#include "tests/kernels/batch_norm_act_cases.h"
#include "tests/support/reference/batch_norm_act.h"

namespace salus::kernels {
namespace {

using ::testing::HasSubstr;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kRelative = 5e-6;  // of a channel's largest term: float32 sums and products

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  const auto type = a.element_size() == 4 ? at::kInt : at::kShort;
  return a.scalar_type() == b.scalar_type() &&
         at::equal(a.contiguous().view(type), b.contiguous().view(type));
}

struct Kind {
  NormActivation activation;
  bool residual;
};

/// The largest of the terms that a result is the sum of, for each channel: the terms can be far
/// larger than what is left of them (with two pixels, nothing is left of dx).
struct Scales {
  at::Tensor y, dx, dweight, dbias;
};

Scales scales_of(const NormCase& c, const reference::BatchNormAct& plain) {
  const auto column = [](const at::Tensor& row) { return row.to(at::kDouble).view({1, -1, 1, 1}); };
  const at::Tensor x = c.x.to(at::kDouble), dy = c.dy.to(at::kDouble).abs();
  const at::Tensor slope = column(c.parameters.weight * plain.rstd).abs();
  const at::Tensor normal = ((x - column(plain.mean)) * column(plain.rstd)).abs().clamp_min(1);
  const auto largest = [](const at::Tensor& v) { return v.abs().amax({0, 2, 3}, true); };
  // x - mean has the rounding of a mean that is so many deviations away from 0.
  const at::Tensor rounded = 1 + column(plain.mean * plain.rstd).abs() + slope * largest(x);
  return {2 * slope * largest(x) + column(c.parameters.bias).abs() + 1,
          slope * largest(dy) * rounded, (dy * normal * rounded).sum({0, 2, 3}),
          (dy * rounded).sum({0, 2, 3})};
}

class BatchNormActTest : public ::testing::TestWithParam<std::tuple<at::ScalarType, Kind>> {
 protected:
  at::ScalarType type() const { return std::get<0>(GetParam()); }
  NormCase make(at::IntArrayRef shape, std::uint64_t seed = 1) const {
    const Kind kind = std::get<1>(GetParam());
    return norm_case(shape, type(), kind.activation, kind.residual, seed);
  }
  bool has_residual() const { return std::get<1>(GetParam()).residual; }

  void expect_reference(const NormCase& c) const {
    const BatchNormOutput out = c.forward();
    const auto plain = reference::batch_norm_act(c.x, c.residual, c.parameters, c.activation, c.dy);
    const Scales scales = scales_of(c, plain);
    expect_near(out.y, plain.y, kRelative, "y", scales.y);
    expect_near(out.mean, plain.mean, 2e-6, "mean", 1 / plain.rstd + plain.mean.abs());
    expect_near(out.rstd, plain.rstd, 1e-5, "rstd");
    const bool relu = c.activation == NormActivation::kRelu;
    const auto exact = reference::batch_norm_act(c.x, c.residual, c.parameters, c.activation, c.dy,
                                                 relu ? out.y : at::Tensor());
    const BatchNormGradients gradient = c.backward(out);
    expect_near(gradient.x, exact.dx, kRelative, "dx", scales.dx);
    expect_near(gradient.weight, exact.dweight, kRelative, "dweight", scales.dweight);
    expect_near(gradient.bias, exact.dbias, kRelative, "dbias", scales.dbias);
    EXPECT_EQ(gradient.residual.defined(), has_residual());
    if (has_residual()) expect_near(gradient.residual, exact.dresidual, kRelative, "dresidual");
  }
};

TEST_P(BatchNormActTest, MatchesFloat64AndItsAutogradForEveryChannelCount) {
  for (const std::int64_t channels : {1, 2, 3, 8, 15, 16, 17, 24, 64, 65, 100, 300, 1024}) {
    SCOPED_TRACE(channels);
    expect_reference(make({3, channels, 5, 7}, channels));
  }
}

TEST_P(BatchNormActTest, MatchesFloat64AtEveryEndOfRowsAndParts) {
  // 64 channels: a row is a pixel and a part 512 of them; 3 channels: 32 pixels and 341 rows.
  for (const std::int64_t pixels : {2, 7, 8, 9, 31, 32, 33, 511, 512, 513, 1025}) {
    SCOPED_TRACE(pixels);
    expect_reference(make({1, 64, 1, pixels}, pixels));
  }
  for (const std::int64_t pixels : {2, 31, 32, 33, 63, 65, 10911, 10912, 10913}) {
    SCOPED_TRACE(pixels);
    expect_reference(make({1, 3, pixels, 1}, pixels));
  }
}

TEST_P(BatchNormActTest, GivesTheSameBitsForAnyNumberOfThreads) {
  const NormCase c = make({6, 48, 19, 23});
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const BatchNormOutput one = c.forward();
  const BatchNormGradients gradient_one = c.backward(one);
  at::set_num_threads(5);
  const BatchNormOutput five = c.forward();
  const BatchNormGradients gradient_five = c.backward(five);
  at::set_num_threads(threads);
  EXPECT_TRUE(same_bits(one.y, five.y));
  EXPECT_TRUE(same_bits(one.mean, five.mean));
  EXPECT_TRUE(same_bits(gradient_one.x, gradient_five.x));
  EXPECT_TRUE(same_bits(gradient_one.weight, gradient_five.weight));
}

TEST_P(BatchNormActTest, TakesOtherLayoutsAndUnalignedMemory) {
  NormCase c = make({4, 20, 6, 5});
  const BatchNormOutput plain = c.forward();
  const BatchNormGradients gradient = c.backward(plain);
  NormCase other = c;
  other.x = c.x.contiguous();
  other.dy = at::cat({c.dy, c.dy}, 1).slice(1, 20, 40);
  other.parameters.weight = at::stack({c.parameters.weight, c.parameters.bias}, 1).select(1, 0);
  if (has_residual()) other.residual = c.residual.contiguous();
  const BatchNormOutput out = other.forward();
  EXPECT_TRUE(same_bits(out.y, plain.y));
  EXPECT_TRUE(out.y.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(same_bits(other.backward(out).x, gradient.x));

  const at::Tensor shifted = at::empty({c.x.numel() + 1}, c.x.options()).slice(0, 1);
  const at::Tensor unaligned = shifted.as_strided(c.x.sizes(), c.x.strides());
  unaligned.copy_(c.x);
  other = c;
  other.x = unaligned;
  EXPECT_TRUE(same_bits(other.forward().y, plain.y));
}

TEST_P(BatchNormActTest, NaNAndInfinityFillTheirChannelOnly) {
  for (const double bad : {kNaN, kInf, -kInf}) {
    NormCase c = make({2, 17, 4, 4});
    const BatchNormOutput clean = c.forward();
    c.x[1][5][2][3] = bad;
    const BatchNormOutput out = c.forward();
    const BatchNormGradients gradient = c.backward(out);
    EXPECT_TRUE(out.y.select(1, 5).isnan().all().item<bool>());
    EXPECT_TRUE(gradient.x.select(1, 5).isnan().all().item<bool>());
    EXPECT_TRUE(same_bits(out.y.slice(1, 0, 5), clean.y.slice(1, 0, 5)));
    EXPECT_TRUE(same_bits(out.y.slice(1, 6), clean.y.slice(1, 6)));
    EXPECT_FALSE(gradient.x.slice(1, 6).isnan().any().item<bool>());
  }
}

TEST_P(BatchNormActTest, WritesOverTheGradientOnlyIfAllowed) {
  const NormCase c = make({2, 33, 5, 5});
  const BatchNormOutput out = c.forward();
  const at::Tensor dy = c.dy.clone();
  const BatchNormGradients kept = c.backward(out);
  EXPECT_TRUE(same_bits(c.dy, dy));
  const auto reused =
      batch_norm_act_backward(dy, true, c.x, out, has_residual(), c.parameters, c.activation);
  EXPECT_TRUE(same_bits(reused.x, kept.x));
  if (has_residual()) {
    EXPECT_TRUE(same_bits(reused.residual, kept.residual));
    EXPECT_EQ(reused.residual.const_data_ptr(), dy.const_data_ptr());
    EXPECT_NE(reused.x.const_data_ptr(), dy.const_data_ptr());
  } else {
    EXPECT_EQ(reused.x.const_data_ptr(), dy.const_data_ptr());
  }
}

constexpr Kind kKinds[] = {{NormActivation::kNone, false},
                           {NormActivation::kNone, true},
                           {NormActivation::kRelu, false},
                           {NormActivation::kRelu, true},
                           {NormActivation::kSilu, false}};

INSTANTIATE_TEST_SUITE_P(All, BatchNormActTest,
                         ::testing::Combine(::testing::Values(at::kFloat, at::kBFloat16),
                                            ::testing::ValuesIn(kKinds)));

TEST(BatchNormActStatisticsTest, EqualLibTorchsBatchNormAndItsRunningStatistics) {
  for (const std::int64_t channels : {5, 64}) {
    const NormCase c = norm_case({7, channels, 9, 9}, at::kFloat, NormActivation::kNone, false);
    at::Tensor mean = at::rand({channels}), var = at::rand({channels});
    at::Tensor torch_mean = mean.clone(), torch_var = var.clone();
    for (const double momentum : {0.1, 1.0, 0.0}) {
      const auto out = batch_norm_act(c.x, {}, c.parameters, c.activation, mean, var, momentum);
      const auto [y, saved, invstd] =
          at::native_batch_norm(c.x, c.parameters.weight, c.parameters.bias, torch_mean, torch_var,
                                /*training=*/true, momentum, c.parameters.eps);
      const at::Tensor term = c.parameters.weight.abs() * invstd * (saved.abs() + 10 / invstd);
      expect_near(out.y, y, 1e-6, "y", (term + c.parameters.bias.abs()).view({1, -1, 1, 1}));
      expect_near(out.mean, saved, 1e-6, "mean", 1 / invstd + saved.abs());
      expect_near(out.rstd, invstd, 1e-6, "rstd");
      expect_near(mean, torch_mean, 1e-6, "running mean");
      expect_near(var, torch_var, 1e-6, "running variance");
    }
  }
}

TEST(BatchNormActStatisticsTest, AreExactWhereTheMeanIsLargeBesideTheDeviation) {
  const at::Tensor noise = at::randn({8, 16, 12, 12}, seeded(3), at::kFloat);
  const at::Tensor x = (noise + 1e4).contiguous(at::MemoryFormat::ChannelsLast);
  const BatchNormParameters plain{at::ones({16}), at::zeros({16}), 0};
  const auto out = batch_norm_act(x, {}, plain, NormActivation::kNone);
  const auto wide = x.to(at::kDouble);
  const auto variance = wide.var({0, 2, 3}, /*unbiased=*/false);
  expect_near(out.rstd, 1 / variance.sqrt(), 1e-6, "rstd");
}

TEST(BatchNormActStatisticsTest, OfAConstantChannelAreItsValueAndEps) {
  const at::Tensor x = at::full({2, 3, 4, 4}, 0.1, at::kFloat);
  const BatchNormParameters plain{at::ones({3}), at::full({3}, 2.0), 0.25};
  const auto out = batch_norm_act(x, {}, plain, NormActivation::kNone);
  EXPECT_TRUE(at::allclose(out.rstd, at::full({3}, 2.0), 0, 1e-6));
  EXPECT_TRUE(at::allclose(out.y, at::full_like(x, 2.0), 0, 1e-6));
}

std::string refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "no error";
}

class BatchNormActRefusalTest : public ::testing::Test {
 protected:
  std::string run() const {
    return refusal([this] { c.forward(); });
  }
  NormCase c = norm_case({2, 4, 3, 3}, at::kFloat, NormActivation::kRelu, true);
};

TEST_F(BatchNormActRefusalTest, OtherDtypes) {
  c.x = c.x.to(at::kDouble);
  EXPECT_THAT(run(), HasSubstr("float32 or bfloat16"));
  EXPECT_FALSE(batch_norm_act_takes(c.x));
}

TEST_F(BatchNormActRefusalTest, OtherDevices) {
  c.x = at::empty(c.x.sizes(), c.x.options().device(at::kMeta));
  EXPECT_THAT(run(), HasSubstr("must be on the CPU"));
  EXPECT_FALSE(batch_norm_act_takes(c.x));
}

TEST_F(BatchNormActRefusalTest, OtherDimensions) {
  c.x = c.x[0];
  EXPECT_THAT(run(), HasSubstr("must be [N, C, H, W]"));
  EXPECT_FALSE(batch_norm_act_takes(c.x));
}

TEST_F(BatchNormActRefusalTest, OneValueOfAChannel) {
  c.x = c.x.slice(0, 0, 1).slice(2, 0, 1).slice(3, 0, 1);
  EXPECT_THAT(run(), HasSubstr("more than one value of each channel"));
}

TEST_F(BatchNormActRefusalTest, NothingAtAll) {
  c.x = c.x.slice(0, 0, 0);
  EXPECT_THAT(run(), HasSubstr("more than one value of each channel"));
  EXPECT_FALSE(batch_norm_act_takes(c.x));
}

TEST_F(BatchNormActRefusalTest, AWeightOfAnotherSize) {
  c.parameters.weight = at::ones({5});
  EXPECT_THAT(run(), HasSubstr("weight must be float32 [4]"));
}

TEST_F(BatchNormActRefusalTest, ABiasOfAnotherType) {
  c.parameters.bias = c.parameters.bias.to(at::kBFloat16);
  EXPECT_THAT(run(), HasSubstr("bias must be float32 [4]"));
}

TEST_F(BatchNormActRefusalTest, ANegativeEps) {
  c.parameters.eps = -1e-5;
  EXPECT_THAT(run(), HasSubstr("eps is -1e-05"));
}

TEST_F(BatchNormActRefusalTest, AResidualOfAnotherShape) {
  c.residual = c.residual.slice(0, 0, 1);
  EXPECT_THAT(run(), HasSubstr("residual must be Float [2, 4, 3, 3]"));
}

TEST_F(BatchNormActRefusalTest, SiluWithAResidual) {
  c.activation = NormActivation::kSilu;
  EXPECT_THAT(run(), HasSubstr("SiLU takes no residual"));
}

TEST_F(BatchNormActRefusalTest, RunningStatisticsOfAnotherSizeOrWithGaps) {
  const auto with = [&](const at::Tensor& running) {
    return refusal([&] { batch_norm_act(c.x, {}, c.parameters, c.activation, running); });
  };
  EXPECT_THAT(with(at::ones({3})), HasSubstr("running_mean must be float32 [4]"));
  EXPECT_THAT(with(at::ones({8}).slice(0, 0, 8, 2)), HasSubstr("running_mean must be contiguous"));
}

TEST_F(BatchNormActRefusalTest, AGradientOfAnotherType) {
  const BatchNormOutput out = c.forward();
  c.dy = c.dy.to(at::kBFloat16);
  EXPECT_THAT(refusal([&] { c.backward(out); }), HasSubstr("dy must be Float"));
}

TEST_F(BatchNormActRefusalTest, AMissingResultWhereTheGradientNeedsIt) {
  BatchNormOutput out = c.forward();
  out.y = at::Tensor();
  EXPECT_THAT(refusal([&] { c.backward(out); }), HasSubstr("y must be Float"));
}

}  // namespace
}  // namespace salus::kernels
