// The resize modes against what the libraries they are named after give.

#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "kernels/image_preprocess.h"

namespace salus::kernels {
namespace {

/// The formula of tests/support/golden/make_resize.py.
at::Tensor picture(std::int64_t height, std::int64_t width) {
  at::Tensor out = at::empty({height, width}, at::kUInt16);
  auto* to = out.mutable_data_ptr<std::uint16_t>();
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      *to++ = static_cast<std::uint16_t>((y * 7919 + x * 10473 + x * y * 31) % 65536);
    }
  }
  return out;
}

at::Tensor preprocess(Resize resize, std::int64_t in_height, std::int64_t in_width,
                      std::int64_t height, std::int64_t width) {
  PreprocessImage image;
  image.pixels = picture(in_height, in_width);
  image.window = Window::kRange;
  image.center = 32768;
  image.width = 65536;
  PreprocessSpec spec;
  spec.height = height;
  spec.width = width;
  spec.resize = resize;
  return image_preprocess({image}, spec);
}

float largest_difference(const at::Tensor& actual, const float* expected) {
  const float* values = actual.const_data_ptr<float>();
  float largest = 0;
  for (std::int64_t i = 0; i < actual.numel(); ++i) {
    largest = std::max(largest, std::abs(values[i] - expected[i]));
  }
  return largest;
}

TEST(ImagePreprocessGoldenTest, ModesEqualOpenCvAndPillow) {
  const std::map<std::string, Resize> modes{{"area", Resize::kArea},
                                            {"bilinear", Resize::kBilinear},
                                            {"bilinear-antialias", Resize::kBilinearAntialias},
                                            {"nearest", Resize::kNearest}};
  std::ifstream cases("tests/data/resize/cases.txt");
  std::ifstream values("tests/data/resize/values.f32", std::ios::binary);
  std::string library, mode;
  std::int64_t in_height = 0, in_width = 0, height = 0, width = 0;
  int count = 0;
  while (cases >> library >> mode >> in_height >> in_width >> height >> width) {
    std::vector<float> expected(static_cast<std::size_t>(height * width));
    values.read(reinterpret_cast<char*>(expected.data()),
                static_cast<std::streamsize>(expected.size() * sizeof(float)));
    ASSERT_TRUE(values) << "values.f32 is too short";
    const at::Tensor actual = preprocess(modes.at(mode), in_height, in_width, height, width);
    // The libraries compute positions and weights in float32; nearest has nothing to round.
    const float bound = mode == "nearest" ? 0.0F : 1e-5F;
    EXPECT_LE(largest_difference(actual, expected.data()), bound)
        << library << " " << mode << " " << in_height << " x " << in_width << " to " << height
        << " x " << width;
    ++count;
  }
  EXPECT_EQ(count, 29);
}

TEST(ImagePreprocessGoldenTest, BilinearModesEqualTorch) {
  for (const auto& [in_height, in_width, height, width] :
       {std::tuple{37, 61, 12, 20}, std::tuple{64, 48, 16, 12}, std::tuple{12, 17, 40, 31},
        std::tuple{1, 9, 5, 20}, std::tuple{128, 90, 28, 28}}) {
    const at::Tensor in =
        picture(in_height, in_width).to(at::kFloat).div(65536).reshape({1, 1, in_height, in_width});
    const at::Tensor plain = at::upsample_bilinear2d(in, {height, width}, false);
    const at::Tensor wide = at::_upsample_bilinear2d_aa(in, {height, width}, false);
    const auto differs = [&](Resize resize, const at::Tensor& expected) {
      return largest_difference(preprocess(resize, in_height, in_width, height, width),
                                expected.contiguous().const_data_ptr<float>());
    };
    EXPECT_LE(differs(Resize::kBilinear, plain), 1e-5F) << in_height << " x " << in_width;
    EXPECT_LE(differs(Resize::kBilinearAntialias, wide), 1e-5F) << in_height << " x " << in_width;
  }
}

/// OpenCV divides by a quotient: 49 to 7 of it is not always seven times the index. Every pair of
/// small sizes is compared with its formula.
TEST(ImagePreprocessGoldenTest, NearestFollowsOpenCvsRoundingForEverySize) {
  for (std::int64_t from = 1; from <= 60; ++from) {
    PreprocessImage image;
    image.pixels = at::arange(from, at::kFloat).reshape({1, from});
    image.window = Window::kNone;
    for (std::int64_t to = 1; to <= 60; ++to) {
      PreprocessSpec spec;
      spec.height = 1;
      spec.width = to;
      spec.resize = Resize::kNearest;
      const at::Tensor out = image_preprocess({image}, spec);
      const double inverse = static_cast<double>(to) / static_cast<double>(from);
      for (std::int64_t o = 0; o < to; ++o) {
        const auto source =
            static_cast<std::int64_t>(std::floor(static_cast<double>(o) * (1.0 / inverse)));
        ASSERT_EQ(out.const_data_ptr<float>()[o], static_cast<float>(std::min(source, from - 1)));
      }
    }
  }
}

}  // namespace
}  // namespace salus::kernels
