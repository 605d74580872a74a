#include "kernels/image_augment.h"

#include <ATen/Parallel.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/flip.h>
#include <ATen/ops/isnan.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>

#include "kernels/dispatch.h"
#include "tests/kernels/image_augment_cases.h"

namespace salus::kernels {
namespace {

constexpr std::uint64_t kSeed = 0x0123456789abcdefull;

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  const auto type = a.element_size() == 4 ? at::kInt : at::kShort;
  return a.scalar_type() == b.scalar_type() &&
         at::equal(a.contiguous().view(type), b.contiguous().view(type));
}

/// One device, one type of pixel.
class ImageAugmentTest
    : public ::testing::TestWithParam<std::tuple<at::DeviceType, at::ScalarType>> {
 protected:
  void SetUp() override {
    if (std::get<0>(GetParam()) == at::kCUDA && !cuda_problem().empty()) {
      GTEST_SKIP() << cuda_problem();
    }
  }
  at::Tensor placed(const at::Tensor& images) const {
    return images.to(at::device(std::get<0>(GetParam())).dtype(std::get<1>(GetParam())));
  }
};

TEST_P(ImageAugmentTest, SpecThatChangesNothingCopiesTheBits) {
  at::Tensor images = placed(test_images(3, 2, 7, 9, {}));
  images[0][0][0][0] = std::numeric_limits<double>::quiet_NaN();
  images[0][0][0][1] = std::numeric_limits<double>::infinity();
  images[0][0][0][2] = -0.0;
  const at::Tensor out = image_augment(images, positions({4, 5, 6}), 3, kSeed, {});
  EXPECT_TRUE(same_bits(out.cpu(), images.cpu()));
  EXPECT_NE(out.const_data_ptr(), images.const_data_ptr());
}

TEST_P(ImageAugmentTest, MatchesTheFloat64Reference) {
  const AugmentSpec spec = strong_spec();
  const std::vector<std::int64_t> samples = {0, 7, 1234567, (std::int64_t{1} << 40) + 3};
  const int sizes[][3] = {{1, 28, 28}, {3, 17, 31}, {1, 1, 1}, {2, 1, 40}, {1, 33, 2}, {4, 16, 64}};
  for (const auto& [c, h, w] : sizes) {
    const at::Tensor images = placed(test_images(4, c, h, w, spec));
    const at::Tensor out = image_augment(images, positions(samples), 11, kSeed, spec);
    SCOPED_TRACE(std::to_string(c) + " x " + std::to_string(h) + " x " + std::to_string(w));
    expect_reference(out, images, samples, 11, kSeed, spec);
  }
}

TEST_P(ImageAugmentTest, EachStepAloneMatchesTheFloat64Reference) {
  const AugmentSpec all = strong_spec();
  std::vector<AugmentSpec> specs(9);
  for (AugmentSpec& spec : specs) spec.mean = 0.4, spec.stddev = 0.3, spec.fill = 0.1;
  specs[0].rotate = 45;
  specs[1].translate = 0.3;
  specs[2].scale_low = 0.5, specs[2].scale_high = 2;
  specs[3].shear = 30;
  specs[4].flip = 1;
  specs[5].gain_low = 0.5, specs[5].bias_high = 0.2;
  specs[6].gamma_low = all.gamma_low, specs[6].gamma_high = all.gamma_high;
  specs[7].noise_high = 0.2;
  specs[8].cutout = 0.5, specs[8].cutout_probability = 1;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    SCOPED_TRACE("step " + std::to_string(i));
    const at::Tensor images = placed(test_images(3, 1, 20, 23, specs[i]));
    const at::Tensor out = image_augment(images, positions({1, 2, 3}), 0, 5, specs[i]);
    expect_reference(out, images, {1, 2, 3}, 0, 5, specs[i]);
    EXPECT_FALSE(at::equal(out, images));
  }
}

TEST_P(ImageAugmentTest, MirrorAloneMovesTheBits) {
  AugmentSpec spec;
  spec.flip = 1;
  for (const int width : {1, 2, 27, 28}) {
    const at::Tensor images = placed(test_images(2, 3, 5, width, spec));
    const at::Tensor out = image_augment(images, positions({8, 9}), 0, kSeed, spec);
    EXPECT_TRUE(same_bits(out.cpu(), at::flip(images, {3}).cpu()));
  }
}

TEST_P(ImageAugmentTest, ChannelsLastGivesTheSameBitsInItsOwnFormat) {
  const AugmentSpec spec = strong_spec();
  const at::Tensor images = placed(test_images(3, 3, 19, 22, spec));
  const at::Tensor last = images.contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor out = image_augment(images, positions({1, 2, 3}), 2, kSeed, spec);
  const at::Tensor out_last = image_augment(last, positions({1, 2, 3}), 2, kSeed, spec);
  EXPECT_TRUE(out_last.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_FALSE(out_last.is_contiguous());
  EXPECT_TRUE(same_bits(out.cpu(), out_last.cpu()));
}

TEST_P(ImageAugmentTest, AnImageIsTheSameInAnyBatch) {
  const AugmentSpec spec = strong_spec();
  const at::Tensor images = placed(test_images(5, 1, 28, 28, spec));
  const at::Tensor all = image_augment(images, positions({10, 11, 12, 13, 14}), 4, kSeed, spec);
  for (const std::int64_t i : {0, 3, 4}) {
    const at::Tensor alone =
        image_augment(images.slice(0, i, i + 1), positions({10 + i}), 4, kSeed, spec);
    EXPECT_TRUE(same_bits(alone[0].cpu(), all[i].cpu())) << "image " << i;
  }
}

TEST_P(ImageAugmentTest, SampleEpochAndSeedEachChangeTheDraws) {
  const AugmentSpec spec = strong_spec();
  const at::Tensor image = placed(test_images(1, 1, 28, 28, spec));
  const at::Tensor out = image_augment(image, positions({1}), 1, 1, spec);
  EXPECT_TRUE(at::equal(out, image_augment(image, positions({1}), 1, 1, spec)));
  EXPECT_FALSE(at::equal(out, image_augment(image, positions({2}), 1, 1, spec)));
  EXPECT_FALSE(at::equal(out, image_augment(image, positions({1}), 2, 1, spec)));
  EXPECT_FALSE(at::equal(out, image_augment(image, positions({1}), 1, 2, spec)));
  const std::int64_t far = 1 + (std::int64_t{1} << 32);
  EXPECT_FALSE(at::equal(out, image_augment(image, positions({far}), 1, 1, spec)));
}

TEST_P(ImageAugmentTest, EmptyBatchesAndImagesGiveEmptyTensors) {
  for (const auto& shape : {std::vector<std::int64_t>{0, 1, 4, 4}, {2, 1, 0, 4}, {2, 0, 4, 4}}) {
    const at::Tensor images = placed(at::zeros(shape));
    const at::Tensor samples = positions(std::vector<std::int64_t>(shape[0], 1));
    EXPECT_EQ(image_augment(images, samples, 0, 0, strong_spec()).sizes(), images.sizes());
  }
}

TEST_P(ImageAugmentTest, NonContiguousImagesAreRead) {
  const AugmentSpec spec = strong_spec();
  const at::Tensor wide = placed(test_images(2, 1, 12, 30, spec));
  const at::Tensor part = wide.slice(3, 3, 20);
  ASSERT_FALSE(part.is_contiguous());
  EXPECT_TRUE(same_bits(image_augment(part, positions({1, 2}), 0, 0, spec).cpu(),
                        image_augment(part.contiguous(), positions({1, 2}), 0, 0, spec).cpu()));
}

TEST_P(ImageAugmentTest, NaNStaysNaNUnderIntensityAndNoise) {
  AugmentSpec spec = strong_spec();
  spec.rotate = spec.translate = spec.shear = spec.flip = spec.cutout = 0;
  spec.scale_low = spec.scale_high = 1;
  at::Tensor images = placed(test_images(1, 1, 6, 40, spec));
  images[0][0][2][3] = std::numeric_limits<double>::quiet_NaN();
  const at::Tensor nan = at::isnan(image_augment(images, positions({1}), 0, 0, spec)).cpu();
  EXPECT_TRUE(nan[0][0][2][3].item<bool>());
  EXPECT_EQ(nan.sum().item<std::int64_t>(), 1);
}

INSTANTIATE_TEST_SUITE_P(Devices, ImageAugmentTest,
                         ::testing::Combine(::testing::Values(at::kCPU, at::kCUDA),
                                            ::testing::Values(at::kFloat, at::kHalf,
                                                              at::kBFloat16)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param) == at::kCPU ? "Cpu"
                                                                                  : "Cuda") +
                                  c10::toString(std::get<1>(info.param));
                         });

TEST(ImageAugmentCpuTest, ThreadsDoNotChangeTheBits) {
  const AugmentSpec spec = strong_spec();
  const at::Tensor images = test_images(9, 1, 28, 28, spec);
  const at::Tensor samples = at::arange(9, at::kLong);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = image_augment(images, samples, 0, kSeed, spec);
  at::set_num_threads(4);
  const at::Tensor four = image_augment(images, samples, 0, kSeed, spec);
  at::set_num_threads(before);
  EXPECT_TRUE(same_bits(one, four));
}

TEST(ImageAugmentCpuTest, DrawsCoverTheirRanges) {
  AugmentSpec spec;
  spec.bias_low = 0.2, spec.bias_high = 0.6;
  const at::Tensor images = at::zeros({2000, 1, 1, 1});
  const at::Tensor bias = image_augment(images, at::arange(2000, at::kLong), 0, kSeed, spec);
  EXPECT_GT(bias.min().item<double>(), 0.2);
  EXPECT_LT(bias.min().item<double>(), 0.202);
  EXPECT_GT(bias.max().item<double>(), 0.598);
  EXPECT_LT(bias.max().item<double>(), 0.6);
  EXPECT_NEAR(bias.mean().item<double>(), 0.4, 0.01);
}

TEST(ImageAugmentCpuTest, ProbabilitiesAreKept) {
  AugmentSpec spec;
  spec.flip = 0.3;
  at::Tensor images = at::zeros({4000, 1, 1, 2});
  images.select(3, 1).fill_(1);
  const at::Tensor out = image_augment(images, at::arange(4000, at::kLong), 0, kSeed, spec);
  EXPECT_NEAR(out.select(3, 0).mean().item<double>(), 0.3, 0.03);
}

void expect_refused(const AugmentSpec& spec, const std::string& word) {
  try {
    image_augment(at::zeros({1, 1, 4, 4}), positions({0}), 0, 0, spec);
    ADD_FAILURE() << "not refused: " << word;
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what_without_backtrace()).find(word), std::string::npos)
        << error.what_without_backtrace();
  }
}

TEST(ImageAugmentCpuTest, RefusesSpecsOutsideOfTheirRanges) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  const auto with = [](auto change) {
    AugmentSpec spec;
    change(spec);
    return spec;
  };
  expect_refused(with([](auto& s) { s.rotate = -1; }), "rotate");
  expect_refused(with([](auto& s) { s.rotate = kNaN; }), "rotate");
  expect_refused(with([](auto& s) { s.translate = -0.1; }), "translate");
  expect_refused(with([](auto& s) { s.shear = 90; }), "shear");
  expect_refused(with([](auto& s) { s.flip = 1.1; }), "flip");
  expect_refused(with([](auto& s) { s.scale_low = 0; }), "scale");
  expect_refused(with([](auto& s) { s.scale_low = 1.2; }), "scale");
  expect_refused(with([](auto& s) { s.gain_high = kNaN; }), "gain");
  expect_refused(with([](auto& s) { s.bias_low = 0.1; }), "bias");
  expect_refused(with([](auto& s) { s.gamma_low = 0; }), "gamma");
  expect_refused(with([](auto& s) { s.noise_low = -0.1; }), "noise");
  expect_refused(with([](auto& s) { s.cutout = 1.5; }), "cutout");
  expect_refused(with([](auto& s) { s.cutout_probability = -1; }), "cutout_probability");
  expect_refused(with([](auto& s) { s.fill = kNaN; }), "fill");
  expect_refused(with([](auto& s) { s.mean = kNaN; }), "mean");
  expect_refused(with([](auto& s) { s.stddev = 0; }), "stddev");
}

TEST(ImageAugmentCpuTest, RefusesOtherTensors) {
  const at::Tensor image = at::zeros({1, 1, 4, 4});
  const at::Tensor one = positions({0});
  EXPECT_THROW(image_augment(at::zeros({1, 4, 4}), one, 0, 0, {}), c10::Error);
  EXPECT_THROW(image_augment(image.to(at::kDouble), one, 0, 0, {}), c10::Error);
  EXPECT_THROW(image_augment(image.to(at::kByte), one, 0, 0, {}), c10::Error);
  EXPECT_THROW(image_augment(at::Tensor(), one, 0, 0, {}), c10::Error);
  EXPECT_THROW(image_augment(image, positions({0, 1}), 0, 0, {}), c10::Error);
  EXPECT_THROW(image_augment(image, one.to(at::kInt), 0, 0, {}), c10::Error);
  EXPECT_THROW(image_augment(image, at::Tensor(), 0, 0, {}), c10::Error);
  EXPECT_THROW(image_augment(image, one, -1, 0, {}), c10::Error);
  EXPECT_THROW(image_augment(image, one, std::int64_t{1} << 32, 0, {}), c10::Error);
}

}  // namespace
}  // namespace salus::kernels
