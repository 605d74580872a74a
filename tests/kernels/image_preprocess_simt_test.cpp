#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

#include "kernels/image_preprocess.cuh"
#include "kernels/image_preprocess_cost.h"
#include "kernels/image_preprocess_plan_build.h"
#include "tests/kernels/image_preprocess_cases.h"
#include "tests/support/reference/image_preprocess.h"
#include "tests/support/simt/simt.h"

// The GPU's kernel body under the emulator, from the same packed plan as on the GPU.
namespace salus::kernels {
namespace {

using cases::middle_window;
using cases::random_pixels;

struct Emulated {
  at::Tensor out;
  simt::Report report;
  KernelCost cost;
};

/// Pixels in emulated memory, `shift` bytes after an aligned address.
class DevicePixels {
 public:
  explicit DevicePixels(const at::Tensor& host, int shift = 0)
      : bytes_("pixels", std::vector<unsigned char>(host.nbytes() + shift)) {
    std::memcpy(bytes_.data() + shift, host.const_data_ptr(), host.nbytes());
    tensor = at::from_blob(bytes_.data() + shift, host.sizes(), host.options());
  }
  at::Tensor tensor;

 private:
  simt::Buffer<unsigned char> bytes_;
};

template <class Out>
Emulated emulate_as(const std::vector<PreprocessImage>& images, const PreprocessSpec& spec,
                    std::uint64_t seed) {
  preprocess::Plan plan = preprocess::make_plan(images, spec);
  const simt::Buffer<unsigned char> block(
      "parameters", std::vector<unsigned char>(preprocess::packed_bytes(plan)));
  preprocess::DeviceBatch batch = preprocess::pack(plan, block.data(), block.data());
  const auto count = static_cast<std::int64_t>(images.size());
  Emulated result;
  result.cost = preprocess::image_preprocess_cost(plan);
  result.out = at::empty({count, spec.channels, spec.height, spec.width}, spec.dtype);
  const simt::Buffer<Out> out("out", static_cast<std::size_t>(result.out.numel()));
  batch.output.data = out.data();
  result.report = simt::launch(preprocess::image_preprocess_shape(batch), {.seed = seed},
                               preprocess::image_preprocess_kernel<Out>, batch);
  std::memcpy(result.out.mutable_data_ptr(), out.data(), result.out.nbytes());
  return result;
}

/// image_preprocess() by the kernel's body.
Emulated emulate(const std::vector<PreprocessImage>& images, const PreprocessSpec& spec,
                 std::uint64_t seed = 1) {
  if (spec.dtype == at::kHalf) return emulate_as<Half>(images, spec, seed);
  if (spec.dtype == at::kBFloat16) return emulate_as<BFloat16>(images, spec, seed);
  return emulate_as<float>(images, spec, seed);
}

void expect_reference(const std::vector<PreprocessImage>& images, const PreprocessSpec& spec,
                      double magnitude = 1) {
  EXPECT_EQ(reference::difference(emulate(images, spec).out,
                                  reference::image_preprocess(images, spec), magnitude),
            "");
}

PreprocessSpec size(std::int64_t height, std::int64_t width, Resize resize = Resize::kArea) {
  PreprocessSpec spec;
  spec.height = height;
  spec.width = width;
  spec.resize = resize;
  return spec;
}

using Sizes = std::tuple<int, int, int, int>;
class ImagePreprocessBodyTest : public ::testing::TestWithParam<std::tuple<Resize, Sizes>> {};

TEST_P(ImagePreprocessBodyTest, MatchesReference) {
  const auto [resize, sizes] = GetParam();
  const auto [in_height, in_width, height, width] = sizes;
  for (const at::ScalarType type : {at::kByte, at::kShort, at::kFloat}) {
    SCOPED_TRACE(c10::toString(type));
    const DevicePixels gray(random_pixels(type, {in_height, in_width}, 1));
    expect_reference({middle_window(gray.tensor)}, size(height, width, resize));
  }
  const DevicePixels color(random_pixels(at::kByte, {in_height, in_width, 3}, 2), 5);
  PreprocessSpec spec = size(height, width, resize);
  spec.channels = 3;
  expect_reference({middle_window(color.tensor)}, spec);
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, ImagePreprocessBodyTest,
    ::testing::Combine(::testing::Values(Resize::kArea, Resize::kBilinear,
                                         Resize::kBilinearAntialias, Resize::kNearest),
                       ::testing::Values(Sizes{1, 1, 1, 1}, Sizes{1, 33, 2, 8}, Sizes{33, 1, 8, 3},
                                         Sizes{64, 64, 16, 16}, Sizes{63, 65, 31, 15},
                                         Sizes{20, 24, 33, 40}, Sizes{40, 128, 9, 28},
                                         Sizes{100, 40, 2, 3})));

TEST(ImagePreprocessBodyTest, RaggedBatchOfEveryWindowMatchesReference) {
  std::vector<DevicePixels> pixels;
  std::vector<PreprocessImage> images;
  pixels.reserve(24);
  for (const at::ScalarType type : {at::kUInt16, at::kChar, at::kFloat}) {
    for (const Window window : {Window::kLinear, Window::kSigmoid, Window::kTable, Window::kNone}) {
      if (type == at::kFloat && window == Window::kTable) continue;
      const auto number = static_cast<std::int64_t>(images.size());
      pixels.emplace_back(random_pixels(type, {40 + number, 90 - 3 * number}, 5));
      PreprocessImage image = middle_window(pixels.back().tensor);
      image.window = window;
      image.invert = number % 2 == 1;
      image.slope = window == Window::kNone ? 1e-4 : 1;
      image.table = at::empty({50}, at::kFloat);
      for (int k = 0; k < 50; ++k) image.table.mutable_data_ptr<float>()[k] = 0.02F * k;
      image.has_padding = number % 3 == 0;
      image.padding_low = 3;
      image.padding_high = 30000;
      if (number % 2 == 0) image.box = {3, 5 + number, 30, 41};
      images.push_back(image);
    }
  }
  for (const at::ScalarType dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
    for (const Fit fit : {Fit::kStretch, Fit::kPad, Fit::kCrop}) {
      PreprocessSpec spec = size(19, 26);
      spec.dtype = dtype;
      spec.fit = fit;
      spec.channels = 3;
      spec.pad_value = 0.3;
      spec.mean = {0.4, 0.5, 0.6};
      spec.stddev = {0.2, 0.3, 0.4};
      expect_reference(images, spec, 10);
    }
  }
}

TEST(ImagePreprocessBodyTest, AccumulatesThousandsOfRowsAndColumnsExactly) {
  const DevicePixels tall(random_pixels(at::kByte, {2500, 9}, 6));
  expect_reference({middle_window(tall.tensor)}, size(1, 3));
  const DevicePixels wide(random_pixels(at::kUInt16, {2, 5000}, 7));
  expect_reference({middle_window(wide.tensor)}, size(1, 1));
  expect_reference({middle_window(wide.tensor)}, size(2, 700));
}

TEST(ImagePreprocessBodyTest, GivesTheSameBitsInEveryOrderOfThreadsAndBlocks) {
  const DevicePixels pixels(random_pixels(at::kShort, {70, 75}, 8));
  const std::vector<PreprocessImage> images{middle_window(pixels.tensor)};
  const at::Tensor first = emulate(images, size(32, 30), 1).out;
  for (std::uint64_t seed = 2; seed < 12; ++seed) {
    EXPECT_TRUE(cases::same_bits(emulate(images, size(32, 30), seed).out, first)) << seed;
  }
}

TEST(ImagePreprocessBodyTest, ReadsEachSourcePixelOfWholeBoxesOnceIn128Bits) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: bytes are not counted";
  const DevicePixels pixels(random_pixels(at::kUInt16, {64, 256}, 9));
  const auto report = emulate({middle_window(pixels.tensor)}, size(16, 64)).report;
  const simt::Traffic& traffic = report.traffic.at("pixels");
  EXPECT_EQ(traffic.bytes_read, 64u * 256 * 2);
  EXPECT_EQ(traffic.elements_read, 64u * 256 * 2);
  EXPECT_EQ(traffic.widest, 16u);
  EXPECT_EQ(traffic.reads, 64u * 256 / 8);
  EXPECT_EQ(report.traffic.at("out").bytes_written, 16u * 64 * 4);
}

TEST(ImagePreprocessBodyTest, ReadsOneSharedRowTwicePerFourRowsOfFractionalBoxes) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: bytes are not counted";
  const DevicePixels pixels(random_pixels(at::kShort, {72, 128}, 10));
  const auto report = emulate({middle_window(pixels.tensor)}, size(32, 56)).report;
  // 2.25 rows an output: of every 9 rows, four outputs, none is shared with the next four.
  EXPECT_EQ(report.traffic.at("pixels").bytes_read, 72u * 128 * 2);
  const DevicePixels odd(random_pixels(at::kShort, {71, 128}, 11));
  const auto uneven = emulate({middle_window(odd.tensor)}, size(32, 56)).report;
  EXPECT_LE(uneven.traffic.at("pixels").bytes_read, (71u + 7) * 128 * 2);
}

/// Bytes of the source that were read at least once.
double distinct_bytes(const Emulated& run) {
  return static_cast<double>(run.report.traffic.at("pixels").elements_read);  // Buffer of bytes
}
double source_bytes(const KernelCost& cost) { return cost.bytes_read - cost.bytes_uploaded; }

TEST(ImagePreprocessCostTest, OfAreaIsExactlyWhatTheBodyMoves) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: bytes are not counted";
  for (const at::ScalarType type : {at::kUInt16, at::kFloat}) {
    for (const auto& [height, width, to_height, to_width] :
         {Sizes{64, 256, 16, 64}, Sizes{72, 128, 32, 56}, Sizes{40, 64, 40, 64}}) {
      const DevicePixels pixels(random_pixels(type, {height, width}, 12));
      const auto run = emulate({middle_window(pixels.tensor)}, size(to_height, to_width));
      EXPECT_EQ(source_bytes(run.cost), height * width * c10::elementSize(type));
      EXPECT_EQ(source_bytes(run.cost), distinct_bytes(run));
      EXPECT_EQ(run.cost.bytes_written, run.report.traffic.at("out").bytes_written);
      EXPECT_LE(run.report.traffic.at("parameters").elements_read, run.cost.bytes_uploaded);
      // Rows that two tiles share are asked for twice.
      EXPECT_LE(run.report.traffic.at("pixels").bytes_read, 1.15 * source_bytes(run.cost));
    }
  }
}

TEST(ImagePreprocessCostTest, OfABatchIsTheSumOfItsImagesAndOfTheBordersThatAreFilled) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: bytes are not counted";
  const DevicePixels pixels(random_pixels(at::kShort, {64, 32}, 13));
  PreprocessSpec spec = size(24, 24);
  spec.fit = Fit::kPad;
  spec.dtype = at::kHalf;
  const auto run = emulate({middle_window(pixels.tensor), middle_window(pixels.tensor)}, spec);
  EXPECT_EQ(source_bytes(run.cost), 2 * distinct_bytes(run)) << "the two share their pixels";
  EXPECT_EQ(run.cost.bytes_written, 2 * 24 * 24 * 2);
  EXPECT_EQ(run.cost.bytes_written, run.report.traffic.at("out").bytes_written);
}

TEST(ImagePreprocessCostTest, OfBilinearCountsOnlyCoveredPixelsOfWhichWholeWordsAreRead) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: bytes are not counted";
  const DevicePixels pixels(random_pixels(at::kUInt16, {64, 64}, 14));
  const auto run = emulate({middle_window(pixels.tensor)}, size(16, 16, Resize::kBilinear));
  EXPECT_EQ(source_bytes(run.cost), 32 * 32 * 2) << "two of four rows and columns";
  EXPECT_GE(distinct_bytes(run), source_bytes(run.cost));
  EXPECT_LE(distinct_bytes(run), 2 * source_bytes(run.cost)) << "all columns of the covered rows";
}

TEST(ImagePreprocessCostTest, OperationsFollowTheFormula) {
  const auto pixels = random_pixels(at::kByte, {8, 12}, 15);
  const auto cost =
      preprocess::image_preprocess_cost(preprocess::make_plan({middle_window(pixels)}, size(4, 3)));
  // 96 values windowed at 5 and weighed once; 12 columns of 4 rows; 12 outputs scaled.
  EXPECT_EQ(cost.operations, 96 * 5 + 2 * 96 + 2 * 12 * 4 + 2 * 12);
  EXPECT_EQ(cost.launches, 1);
}

}  // namespace
}  // namespace salus::kernels
