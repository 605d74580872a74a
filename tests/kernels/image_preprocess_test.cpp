#include "kernels/image_preprocess.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <tuple>

#include "tests/kernels/image_preprocess_cases.h"
#include "tests/support/reference/image_preprocess.h"

namespace salus::kernels {
namespace {

using cases::middle_window;
using cases::one;
using cases::random_pixels;
using cases::same_bits;

void expect_reference(const std::vector<PreprocessImage>& images, const PreprocessSpec& spec,
                      double magnitude = 1) {
  EXPECT_EQ(reference::difference(image_preprocess(images, spec),
                                  reference::image_preprocess(images, spec), magnitude),
            "");
}

PreprocessSpec size(std::int64_t height, std::int64_t width) {
  PreprocessSpec spec;
  spec.height = height;
  spec.width = width;
  return spec;
}

/// Every mode with sizes around the vector lengths, the blocks of 16 terms and the groups of rows.
class ImagePreprocessResizeTest
    : public ::testing::TestWithParam<std::tuple<Resize, std::tuple<int, int, int, int>>> {};

TEST_P(ImagePreprocessResizeTest, MatchesReference) {
  const auto [resize, sizes] = GetParam();
  const auto [in_height, in_width, height, width] = sizes;
  PreprocessSpec spec = size(height, width);
  spec.resize = resize;
  for (const at::ScalarType type : {at::kUInt16, at::kFloat}) {
    SCOPED_TRACE(c10::toString(type));
    expect_reference(one(middle_window(random_pixels(type, {in_height, in_width}, 1))), spec);
    expect_reference(one(middle_window(random_pixels(type, {in_height, in_width, 3}, 2))), spec);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, ImagePreprocessResizeTest,
    ::testing::Combine(::testing::Values(Resize::kArea, Resize::kBilinear,
                                         Resize::kBilinearAntialias, Resize::kNearest),
                       ::testing::Values(std::tuple{1, 1, 1, 1}, std::tuple{1, 1, 5, 7},
                                         std::tuple{1, 33, 1, 8}, std::tuple{33, 1, 8, 1},
                                         std::tuple{3, 5, 2, 3}, std::tuple{15, 17, 15, 17},
                                         std::tuple{16, 16, 16, 16}, std::tuple{64, 64, 16, 16},
                                         std::tuple{66, 66, 33, 33}, std::tuple{51, 51, 17, 17},
                                         std::tuple{68, 132, 17, 33}, std::tuple{63, 65, 31, 15},
                                         std::tuple{37, 61, 48, 90}, std::tuple{40, 20, 13, 60},
                                         std::tuple{100, 128, 28, 28}, std::tuple{512, 37, 224, 16},
                                         std::tuple{700, 130, 2, 3}, std::tuple{300, 520, 1, 1},
                                         std::tuple{129, 257, 64, 64})));

/// Every stored type with every window, padding, inversion and output type.
class ImagePreprocessWindowTest
    : public ::testing::TestWithParam<std::tuple<at::ScalarType, Window, bool>> {};

TEST_P(ImagePreprocessWindowTest, MatchesReference) {
  const auto [type, window, invert] = GetParam();
  PreprocessImage image = middle_window(random_pixels(type, {70, 83}, 3));
  image.window = window;
  image.invert = invert;
  image.table = at::linspace(0, 1, 300).square();
  image.table_first = -100;
  double magnitude = 1;
  if (window == Window::kNone) {
    image.slope = 1.000244;
    image.intercept = -1024;
    magnitude = 70000;
  }
  for (const bool has_padding : {false, true}) {
    image.has_padding = has_padding;
    image.padding_low = -5;
    image.padding_high = 60;
    PreprocessSpec spec = size(20, 31);
    spec.pad_value = 0.25;
    expect_reference(one(image), spec, magnitude);
    spec.resize = Resize::kNearest;
    expect_reference(one(image), spec, magnitude);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Windows, ImagePreprocessWindowTest,
    ::testing::Combine(::testing::Values(at::kByte, at::kChar, at::kUInt16, at::kShort, at::kFloat),
                       ::testing::Values(Window::kLinear, Window::kLinearExact, Window::kSigmoid,
                                         Window::kRange, Window::kNone),
                       ::testing::Bool()));

INSTANTIATE_TEST_SUITE_P(Tables, ImagePreprocessWindowTest,
                         ::testing::Combine(::testing::Values(at::kByte, at::kChar, at::kUInt16,
                                                              at::kShort),
                                            ::testing::Values(Window::kTable), ::testing::Bool()));

/// Whole boxes under windows whose ends are stored values, between them, or beyond the type's
/// range.
class ImagePreprocessWholeBoxTest
    : public ::testing::TestWithParam<std::tuple<at::ScalarType, double, double, double>> {};

TEST_P(ImagePreprocessWholeBoxTest, MatchesReference) {
  const auto [type, slope, center, width] = GetParam();
  for (const bool invert : {false, true}) {
    PreprocessImage image = middle_window(random_pixels(type, {96, 340}, 5));
    image.slope = slope;
    image.intercept = -3;
    image.center = center;
    image.width = width;
    image.invert = invert;
    for (const auto& [height, columns] :
         {std::pair{24, 85}, std::pair{48, 340}, std::pair{6, 34}}) {
      expect_reference(one(image), size(height, columns));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Windows, ImagePreprocessWholeBoxTest,
                         ::testing::Combine(::testing::Values(at::kByte, at::kChar, at::kUInt16,
                                                              at::kShort),
                                            ::testing::Values(1.0, -1.0, 0.5),
                                            ::testing::Values(60.0, 60.25, 30000.0, -100.0),
                                            ::testing::Values(100.0, 4096.0, 1e6)));

/// Output types, channels and fits, normalised.
class ImagePreprocessOutputTest
    : public ::testing::TestWithParam<std::tuple<at::ScalarType, int, int, Fit, bool>> {};

TEST_P(ImagePreprocessOutputTest, MatchesReference) {
  const auto [dtype, components, channels, fit, tall] = GetParam();
  std::vector<std::int64_t> shape{tall ? 90 : 41, tall ? 37 : 120};
  if (components == 3) shape.push_back(3);
  PreprocessSpec spec = size(32, 45);
  spec.dtype = dtype;
  spec.channels = channels;
  spec.fit = fit;
  spec.pad_value = 0.5;
  spec.mean = {0.485, 0.456, 0.406};
  spec.stddev = {0.229, 0.224, 0.225};
  if (channels == 1) {
    spec.mean = {0.5};
    spec.stddev = {0.25};
  }
  expect_reference(one(middle_window(random_pixels(at::kByte, shape, 4))), spec);
}

INSTANTIATE_TEST_SUITE_P(Outputs, ImagePreprocessOutputTest,
                         ::testing::Combine(::testing::Values(at::kFloat, at::kHalf, at::kBFloat16),
                                            ::testing::Values(1, 3), ::testing::Values(1, 3),
                                            ::testing::Values(Fit::kStretch, Fit::kPad, Fit::kCrop),
                                            ::testing::Bool()));

}  // namespace
}  // namespace salus::kernels
