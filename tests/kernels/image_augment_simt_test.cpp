#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "kernels/image_augment.cuh"
#include "kernels/image_augment_cost.h"
#include "kernels/image_augment_plan.h"
#include "tests/kernels/image_augment_cases.h"
#include "tests/support/simt/simt.h"

// The text of the CUDA kernel under the emulator, against the CPU operator and the reference.
namespace salus::kernels {
namespace {

constexpr std::uint64_t kSeed = 77;
constexpr std::uint32_t kEpoch = 5;

template <typename T>
constexpr at::ScalarType kType = at::kFloat;
template <>
constexpr at::ScalarType kType<Half> = at::kHalf;
template <>
constexpr at::ScalarType kType<BFloat16> = at::kBFloat16;

AugmentBatch batch_of(const at::Tensor& images, const AugmentSpec& spec) {
  AugmentBatch batch;
  batch.channels = static_cast<int>(images.size(1));
  batch.height = static_cast<int>(images.size(2));
  batch.width = static_cast<int>(images.size(3));
  batch.channels_last = !images.is_contiguous();
  batch.fill = static_cast<float>((spec.fill - spec.mean) / spec.stddev);
  batch.mean = static_cast<float>(spec.mean);
  batch.stddev = static_cast<float>(spec.stddev);
  batch.epoch = kEpoch;
  batch.seed = kSeed;
  return batch;
}

struct Emulated {
  at::Tensor out;
  simt::Report report;
  KernelCost cost;
};

/// image_augment() of `images` by the kernel's body. `shift` moves the arrays off their alignment.
template <typename T>
Emulated emulate(const at::Tensor& images, const std::vector<std::int64_t>& samples,
                 const AugmentSpec& spec, std::uint64_t order = 1, int shift = 0) {
  const AugmentBatch batch = batch_of(images, spec);
  std::vector<AugmentImage> plans;
  for (const std::int64_t sample : samples) {
    plans.push_back(draw_augmentation(spec, batch, sample));
  }
  const auto count = static_cast<std::size_t>(images.numel());
  const simt::Buffer<AugmentImage> plan_buffer("plans", plans);
  std::vector<T> stored(count + shift);
  std::memcpy(stored.data() + shift, images.const_data_ptr(), count * sizeof(T));
  const simt::Buffer<T> in("in", stored);
  const simt::Buffer<T> out("out", count + shift);
  const bool vectors = batch.image_size() % kPer128<T> == 0 && shift == 0;
  const int n = static_cast<int>(images.size(0));
  Emulated result;
  result.report = simt::launch(image_augment_shape(batch, n, kPer128<T>), {.seed = order},
                               image_augment_kernel<T>, batch, n, plan_buffer.data(),
                               in.data() + shift, out.data() + shift, vectors);
  result.cost = image_augment_cost(batch, plans, sizeof(T));
  result.out = at::empty_like(images);
  std::memcpy(result.out.mutable_data_ptr(), out.data() + shift, count * sizeof(T));
  return result;
}

template <typename T>
class ImageAugmentBodyTest : public ::testing::Test {};
using Types = ::testing::Types<float, Half, BFloat16>;
TYPED_TEST_SUITE(ImageAugmentBodyTest, Types);

TYPED_TEST(ImageAugmentBodyTest, MatchesTheFloat64Reference) {
  const AugmentSpec spec = strong_spec();
  const std::vector<std::int64_t> samples = {3, 99};
  const int sizes[][3] = {{1, 28, 28}, {3, 17, 31}, {1, 1, 1}, {2, 1, 40}, {1, 64, 33}};
  for (const auto& [c, h, w] : sizes) {
    const at::Tensor images = test_images(2, c, h, w, spec).to(kType<TypeParam>);
    SCOPED_TRACE(std::to_string(c) + " x " + std::to_string(h) + " x " + std::to_string(w));
    expect_reference(emulate<TypeParam>(images, samples, spec).out, images, samples, kEpoch, kSeed,
                     spec);
  }
}

TYPED_TEST(ImageAugmentBodyTest, AgreesWithTheCpu) {
  const AugmentSpec spec = strong_spec();
  const at::Tensor images = test_images(4, 1, 28, 28, spec).to(kType<TypeParam>);
  const std::vector<std::int64_t> samples = {1, 2, 3, 4};
  const at::Tensor cpu = image_augment(images, positions(samples), kEpoch, kSeed, spec);
  const at::Tensor body = emulate<TypeParam>(images, samples, spec).out;
  const double unit = unit_in_last_place(kType<TypeParam>, 2);
  EXPECT_LE((cpu.to(at::kDouble) - body.to(at::kDouble)).abs().max().template item<double>(),
            unit + 2e-5);
}

TYPED_TEST(ImageAugmentBodyTest, OrderOfThreadsAndAlignmentDoNotChangeTheBits) {
  const AugmentSpec spec = strong_spec();
  const at::Tensor images = test_images(2, 1, 32, 32, spec).to(kType<TypeParam>);
  const at::Tensor first = emulate<TypeParam>(images, {1, 2}, spec, 1).out;
  for (std::uint64_t order = 2; order < 6; ++order) {
    EXPECT_TRUE(at::equal(first, emulate<TypeParam>(images, {1, 2}, spec, order).out));
  }
  EXPECT_TRUE(at::equal(first, emulate<TypeParam>(images, {1, 2}, spec, 1, 1).out));
}

TYPED_TEST(ImageAugmentBodyTest, ChannelsLastGivesTheSameBits) {
  const AugmentSpec spec = strong_spec();
  const at::Tensor images = test_images(2, 3, 9, 14, spec).to(kType<TypeParam>);
  const at::Tensor last = images.contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_TRUE(at::equal(emulate<TypeParam>(images, {1, 2}, spec).out,
                        emulate<TypeParam>(last, {1, 2}, spec).out));
}

TYPED_TEST(ImageAugmentBodyTest, UnchangedImagesAreCopiedByVectorsEachByteOnce) {
  const at::Tensor images = test_images(3, 1, 32, 32, {}).to(kType<TypeParam>);
  const Emulated copy = emulate<TypeParam>(images, {1, 2, 3}, {});
  EXPECT_TRUE(at::equal(copy.out, images));
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: bytes are not counted";
  const std::uint64_t bytes = images.nbytes();
  EXPECT_EQ(copy.report.traffic.at("in").bytes_read, bytes);
  EXPECT_EQ(copy.report.traffic.at("in").widest, 16u);
  EXPECT_EQ(copy.report.traffic.at("out").bytes_written, bytes);
  EXPECT_EQ(copy.report.traffic.at("out").widest, 16u);
}

TYPED_TEST(ImageAugmentBodyTest, NoMoreThanFourNeighboursAreReadAndEachResultIsWrittenOnce) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: bytes are not counted";
  const at::Tensor images = test_images(2, 1, 32, 32, {}).to(kType<TypeParam>);
  const Emulated moved = emulate<TypeParam>(images, {1, 2}, strong_spec());
  const std::uint64_t bytes = images.nbytes();
  EXPECT_LE(moved.report.traffic.at("in").bytes_read, 4 * bytes);
  EXPECT_EQ(moved.report.traffic.at("out").bytes_written, bytes);
  EXPECT_EQ(moved.report.traffic.at("out").widest, 16u);
  EXPECT_EQ(moved.report.barriers, 0u);
}

TYPED_TEST(ImageAugmentBodyTest, MovesTheBytesOfItsCostModel) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: bytes are not counted";
  const at::Tensor images = test_images(3, 1, 32, 32, {}).to(kType<TypeParam>);
  AugmentSpec gain;
  gain.gain_low = gain.gain_high = 1.5;
  for (const AugmentSpec& spec : {AugmentSpec{}, gain, strong_spec()}) {
    const Emulated run = emulate<TypeParam>(images, {1, 2, 3}, spec);
    const double source = run.cost.bytes_read - run.cost.bytes_uploaded;
    const simt::Traffic& in = run.report.traffic.at("in");
    EXPECT_EQ(source, images.nbytes());
    EXPECT_EQ(run.cost.bytes_written, run.report.traffic.at("out").bytes_written);
    EXPECT_EQ(run.cost.bytes_uploaded, run.report.traffic.at("plans").elements_read *
                                           static_cast<double>(sizeof(AugmentImage)));
    const double distinct = static_cast<double>(in.elements_read) * sizeof(TypeParam);
    // What is turned, shifted and cut out needs a little less than all.
    EXPECT_LE(distinct, source);
    EXPECT_GE(distinct, spec.rotate > 0 ? 0.7 * source : source);
    EXPECT_LE(in.bytes_read, spec.rotate > 0 ? 4 * source : source);
    EXPECT_EQ(run.cost.operations > 0, spec.rotate > 0 || spec.gain_low != 1);
  }
}

TEST(ImageAugmentNoiseTest, BodyAndCpuDrawTheSameNoise) {
  AugmentSpec spec;
  spec.noise_low = spec.noise_high = 1;
  const at::Tensor zeros = at::zeros({2, 1, 50, 41});
  const at::Tensor cpu = image_augment(zeros, positions({6, 7}), kEpoch, kSeed, spec);
  const at::Tensor body = emulate<float>(zeros, {6, 7}, spec).out;
  // The words are the same to the bit (an error there would be of the size of the noise); the
  // logarithm and the sine may round differently where the CPU has no fused multiply-add.
  EXPECT_LE((cpu - body).abs().max().item<double>(), 2e-6);
  EXPECT_NEAR(body.std().item<double>(), 1, 0.05);
}

__global__ void words_kernel(AugmentBatch batch, AugmentImage image, std::uint32_t* words) {
  const std::uint32_t block = blockIdx.x * blockDim.x + threadIdx.x;
  const PhiloxWords four = augment_words(batch, image.sample_low, image.sample_high, block);
  for (int i = 0; i < 4; ++i) words[4 * block + i] = four.w[i];
}

TEST(ImageAugmentNoiseTest, BodyAndReferenceDrawTheSameWords) {
  AugmentBatch batch;
  batch.epoch = 9;
  batch.seed = 0xfeedfacecafebeefull;
  AugmentImage image;
  image.sample_low = 123, image.sample_high = 4;
  const simt::Buffer<std::uint32_t> words("words", 4 * 128);
  simt::launch({.grid = {2}, .block = {64}}, {}, words_kernel, batch, image, words.data());
  for (std::uint32_t block = 0; block < 128; ++block) {
    const auto expected = reference::philox4x32_10({block, 9, 123, 4}, {0xcafebeefu, 0xfeedfaceu});
    for (int i = 0; i < 4; ++i) ASSERT_EQ(words[4 * block + i], expected[i]);
  }
}

}  // namespace
}  // namespace salus::kernels
