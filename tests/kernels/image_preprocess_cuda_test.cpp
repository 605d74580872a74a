#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <tuple>
#include <vector>

#include "kernels/dispatch.h"
#include "kernels/image_preprocess.h"
#include "tests/kernels/image_preprocess_cases.h"
#include "tests/support/reference/image_preprocess.h"

// The operator on a GPU. What the kernel's body does is also tested without one, under the emulator.
namespace salus::kernels {
namespace {

using cases::middle_window;
using cases::random_pixels;
using cases::same_bits;

class ImagePreprocessCudaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!cuda_problem().empty()) GTEST_SKIP() << cuda_problem();
  }

  static std::vector<PreprocessImage> on_gpu(std::vector<PreprocessImage> images) {
    for (PreprocessImage& image : images) image.pixels = image.pixels.to(at::kCUDA);
    return images;
  }

  /// `images` are on the CPU.
  static void expect_reference(const std::vector<PreprocessImage>& images,
                               const PreprocessSpec& spec, double magnitude = 1) {
    const at::Tensor out = image_preprocess(on_gpu(images), spec);
    EXPECT_TRUE(out.is_cuda());
    EXPECT_EQ(
        reference::difference(out.cpu(), reference::image_preprocess(images, spec), magnitude), "");
  }
};

PreprocessSpec size(std::int64_t height, std::int64_t width, Resize resize = Resize::kArea) {
  PreprocessSpec spec;
  spec.height = height;
  spec.width = width;
  spec.resize = resize;
  return spec;
}

/// Images of three types and different sizes under every window.
std::vector<PreprocessImage> ragged_batch() {
  std::vector<PreprocessImage> images;
  for (const at::ScalarType type : {at::kUInt16, at::kChar, at::kFloat}) {
    for (const Window window : {Window::kLinear, Window::kLinearExact, Window::kSigmoid,
                                Window::kRange, Window::kTable, Window::kNone}) {
      if (type == at::kFloat && window == Window::kTable) continue;
      const auto number = static_cast<std::int64_t>(images.size());
      PreprocessImage image = middle_window(random_pixels(type, {140 + number, 90 - number}, 5));
      image.window = window;
      image.invert = number % 2 == 1;
      image.slope = window == Window::kNone ? 1e-4 : 1;
      image.table = at::linspace(0, 1, 300).square();
      image.has_padding = number % 3 == 0;
      image.padding_low = 3;
      image.padding_high = 30000;
      if (number % 2 == 0) image.box = {3, 5 + number, 70, 41};
      images.push_back(image);
    }
  }
  return images;
}

TEST_F(ImagePreprocessCudaTest, EveryFilterMatchesReferenceAroundTheEdgesOfTiles) {
  const std::tuple<int, int, int, int> sizes[] = {
      {1, 1, 1, 1},     {1, 33, 2, 8},    {33, 1, 8, 3},        {64, 64, 16, 16},
      {63, 65, 31, 15}, {20, 24, 33, 40}, {512, 512, 224, 224}, {300, 2049, 7, 512},
      {2500, 9, 1, 3},  {2, 5000, 1, 1},  {129, 257, 64, 64}};
  for (const auto& [height, width, to_height, to_width] : sizes) {
    for (const Resize resize :
         {Resize::kArea, Resize::kBilinear, Resize::kBilinearAntialias, Resize::kNearest}) {
      for (const at::ScalarType type : {at::kByte, at::kShort, at::kFloat}) {
        SCOPED_TRACE(testing::Message() << height << " x " << width << " -> " << to_height << " x "
                                        << to_width << ", " << c10::toString(type));
        expect_reference({middle_window(random_pixels(type, {height, width}, 1))},
                         size(to_height, to_width, resize));
      }
    }
  }
}

TEST_F(ImagePreprocessCudaTest, RaggedBatchOfEveryWindowTypeAndFitMatchesReference) {
  for (const at::ScalarType dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
    for (const Fit fit : {Fit::kStretch, Fit::kPad, Fit::kCrop}) {
      PreprocessSpec spec = size(19, 26);
      spec.dtype = dtype;
      spec.fit = fit;
      spec.channels = 3;
      spec.pad_value = 0.3;
      spec.mean = {0.4, 0.5, 0.6};
      spec.stddev = {0.2, 0.3, 0.4};
      expect_reference(ragged_batch(), spec, 10);
    }
  }
}

TEST_F(ImagePreprocessCudaTest, ColorAndOddAlignmentMatchReference) {
  PreprocessSpec spec = size(31, 15);
  for (const std::int64_t channels : {1, 3}) {
    spec.channels = channels;
    const at::Tensor color = random_pixels(at::kByte, {63, 65, 3}, 2);
    expect_reference({middle_window(color)}, spec);
    // A row of another image before it: the pixels start at an odd address.
    const at::Tensor whole =
        at::cat({random_pixels(at::kByte, {1, 65, 3}, 3), color}).to(at::kCUDA);
    PreprocessImage shifted = middle_window(whole.slice(0, 1));
    EXPECT_TRUE(same_bits(image_preprocess({shifted}, spec).cpu(),
                          image_preprocess(on_gpu({middle_window(color)}), spec).cpu()));
  }
}

TEST_F(ImagePreprocessCudaTest, AnImageHasTheSameBitsAloneAndInABatch) {
  const auto images = on_gpu(ragged_batch());
  const at::Tensor together = image_preprocess(images, size(40, 37)).cpu();
  for (std::size_t i = 0; i < images.size(); ++i) {
    const at::Tensor alone = image_preprocess({images[i]}, size(40, 37)).cpu();
    EXPECT_TRUE(same_bits(alone[0], together[static_cast<std::int64_t>(i)])) << "image " << i;
  }
}

TEST_F(ImagePreprocessCudaTest, PackedBatchReadsThePixelsAsTheyAreNow) {
  const auto images = on_gpu({middle_window(random_pixels(at::kShort, {70, 75}, 8))});
  const PackedPreprocess packed(images, size(32, 30));
  const at::Tensor out = at::empty({1, 1, 32, 30}, at::device(at::kCUDA).dtype(at::kFloat));
  packed.run(out);
  EXPECT_TRUE(same_bits(out.cpu(), image_preprocess(images, size(32, 30)).cpu()));
  at::Tensor(images[0].pixels).zero_();
  packed.run(out);
  EXPECT_TRUE(same_bits(out.cpu(), image_preprocess(images, size(32, 30)).cpu()));
}

TEST_F(ImagePreprocessCudaTest, OutputAndImagesOfDifferentDevicesAreRefused) {
  const PreprocessImage cpu = middle_window(random_pixels(at::kByte, {8, 8}, 9));
  const auto gpu = on_gpu({cpu});
  EXPECT_THROW(image_preprocess({cpu, gpu[0]}, size(4, 4)), c10::Error);
  EXPECT_THROW(image_preprocess_out(gpu, size(4, 4), at::empty({1, 1, 4, 4})), c10::Error);
}

}  // namespace
}  // namespace salus::kernels
