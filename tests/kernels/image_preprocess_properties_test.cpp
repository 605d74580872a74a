// What must hold to the bit, and what must be refused.

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "kernels/image_preprocess.h"
#include "tests/kernels/image_preprocess_cases.h"
#include "tests/support/reference/image_preprocess.h"

namespace salus::kernels {
namespace {

using cases::middle_window;
using cases::one;
using cases::random_pixels;
using cases::same_bits;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

PreprocessSpec size(std::int64_t height, std::int64_t width) {
  PreprocessSpec spec;
  spec.height = height;
  spec.width = width;
  return spec;
}

/// Images of all types, sizes from one pixel to several strips, boxes and windows.
std::vector<PreprocessImage> ragged_batch() {
  std::vector<PreprocessImage> images;
  const std::vector<std::pair<std::int64_t, std::int64_t>> sizes{
      {700, 900}, {1, 1}, {512, 512}, {33, 47}, {300, 2}, {224, 224}, {28, 28}, {401, 399}};
  const std::vector<at::ScalarType> types{at::kUInt16, at::kByte, at::kShort, at::kFloat};
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    images.push_back(middle_window(
        random_pixels(types[i % 4], {sizes[i].first, sizes[i].second}, static_cast<unsigned>(i))));
    images.back().invert = i % 2 == 0;
    if (i % 3 == 0) images.back().window = Window::kSigmoid;
    if (i == 2) images.back().box = {100, 51, 301, 203};
  }
  return images;
}

class ImagePreprocessBitsTest : public ::testing::TestWithParam<Resize> {
 protected:
  void TearDown() override { at::set_num_threads(threads_); }
  const int threads_ = at::get_num_threads();
};

TEST_P(ImagePreprocessBitsTest, AnImageGivesTheSameBitsAloneAndInABatch) {
  PreprocessSpec spec = size(96, 80);
  spec.resize = GetParam();
  const auto images = ragged_batch();
  const at::Tensor together = image_preprocess(images, spec);
  for (std::size_t i = 0; i < images.size(); ++i) {
    EXPECT_TRUE(same_bits(image_preprocess(one(images[i]), spec)[0],
                          together[static_cast<std::int64_t>(i)]))
        << "image " << i;
  }
}

TEST_P(ImagePreprocessBitsTest, AnyNumberOfThreadsGivesTheSameBits) {
  PreprocessSpec spec = size(96, 80);
  spec.resize = GetParam();
  const auto images = ragged_batch();
  at::set_num_threads(1);
  const at::Tensor serial = image_preprocess(images, spec);
  for (const int threads : {2, 3, 7}) {
    at::set_num_threads(threads);
    EXPECT_TRUE(same_bits(image_preprocess(images, spec), serial)) << threads << " threads";
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, ImagePreprocessBitsTest,
                         ::testing::Values(Resize::kArea, Resize::kBilinear,
                                           Resize::kBilinearAntialias, Resize::kNearest));

/// The processor's best instruction set is what all other tests run.
class ImagePreprocessTargetTest : public ::testing::TestWithParam<std::int64_t> {
 protected:
  static void choose(std::int64_t targets) {
    hwy::SetSupportedTargetsForTest(targets);
    hwy::GetChosenTarget().DeInit();
  }
  void TearDown() override { choose(0); }
};

TEST_P(ImagePreprocessTargetTest, EveryInstructionSetMatchesReference) {
  if ((hwy::SupportedTargets() & GetParam()) == 0) {
    GTEST_SKIP() << "this processor has no " << hwy::TargetName(GetParam());
  }
  choose(GetParam());
  for (const at::ScalarType type : {at::kByte, at::kChar, at::kUInt16, at::kShort, at::kFloat}) {
    for (const Window window : {Window::kLinear, Window::kSigmoid}) {
      for (const at::ScalarType dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
        PreprocessImage gray = middle_window(random_pixels(type, {96, 131}, 11));
        PreprocessImage color = middle_window(random_pixels(type, {51, 67, 3}, 12));
        gray.window = color.window = window;
        gray.width /= 16;
        for (const auto& [height, width] : {std::pair{24, 45}, std::pair{32, 65}}) {
          PreprocessSpec spec = size(height, width);
          spec.dtype = dtype;
          EXPECT_EQ(reference::difference(image_preprocess({gray, color}, spec),
                                          reference::image_preprocess({gray, color}, spec)),
                    "");
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, ImagePreprocessTargetTest,
                         ::testing::Values(HWY_SSSE3, HWY_AVX2, HWY_AVX3),
                         [](const auto& info) { return std::string(hwy::TargetName(info.param)); });

TEST(ImagePreprocessTest, AnEmptyBatchGivesAnEmptyTensor) {
  const at::Tensor out = image_preprocess({}, size(8, 9));
  EXPECT_EQ(out.sizes(), (std::vector<std::int64_t>{0, 1, 8, 9}));
}

TEST(ImagePreprocessTest, BoxesThatTouchEveryEdgeMatchReference) {
  const at::Tensor pixels = random_pixels(at::kUInt16, {61, 75}, 1);
  for (const Box& box : {Box{0, 0, 61, 75}, Box{0, 0, 1, 75}, Box{60, 74, 1, 1}, Box{31, 0, 30, 9},
                         Box{0, 58, 61, 17}, Box{7, 11, 40, 33}}) {
    PreprocessImage image = middle_window(pixels);
    image.box = box;
    for (const Fit fit : {Fit::kStretch, Fit::kPad, Fit::kCrop}) {
      PreprocessSpec spec = size(16, 20);
      spec.fit = fit;
      EXPECT_EQ(reference::difference(image_preprocess({image}, spec),
                                      reference::image_preprocess({image}, spec)),
                "")
          << "box at " << box.top << ", " << box.left;
    }
  }
}

TEST(ImagePreprocessTest, SeveralBoxesOfOneImageEqualCopiesOfThem) {
  const at::Tensor pixels = random_pixels(at::kByte, {40, 50}, 2);
  PreprocessImage boxed = middle_window(pixels), copied = boxed;
  boxed.box = {3, 5, 30, 40};
  copied.pixels = pixels.narrow(0, 3, 30).narrow(1, 5, 40).contiguous();
  EXPECT_TRUE(
      same_bits(image_preprocess({boxed}, size(16, 16)), image_preprocess({copied}, size(16, 16))));
}

TEST(ImagePreprocessTest, NanSpreadsToThePixelsWhoseFilterCoversItAndNoOthers) {
  for (const Resize resize : {Resize::kArea, Resize::kBilinear, Resize::kBilinearAntialias}) {
    for (const Window window : {Window::kRange, Window::kSigmoid, Window::kNone}) {
      at::Tensor pixels = random_pixels(at::kFloat, {50, 70}, 3);
      pixels.mutable_data_ptr<float>()[20 * 70 + 33] = kNan;
      PreprocessImage image = middle_window(pixels);
      image.window = window;
      for (const auto& [height, width] :
           {std::pair{25, 35}, std::pair{21, 30}, std::pair{64, 90}}) {
        PreprocessSpec spec = size(height, width);
        spec.resize = resize;
        const at::Tensor out = image_preprocess({image}, spec);
        EXPECT_EQ(reference::difference(out, reference::image_preprocess({image}, spec), 3000), "");
        EXPECT_TRUE(out.isnan().any().item<bool>() || resize == Resize::kBilinear);
      }
    }
  }
}

TEST(ImagePreprocessTest, InfiniteStoredValuesReachTheEndsOfTheWindow) {
  at::Tensor pixels = at::full({2, 2}, std::numeric_limits<float>::infinity());
  pixels.mutable_data_ptr<float>()[0] = -std::numeric_limits<float>::infinity();
  PreprocessImage image = middle_window(pixels);
  const at::Tensor out = image_preprocess({image}, size(2, 2));
  EXPECT_EQ(out.flatten()[0].item<float>(), 0);
  EXPECT_EQ(out.flatten()[3].item<float>(), 1);
}

TEST(ImagePreprocessTest, NarrowWindowsFarFromZeroKeepTheirPrecision) {
  const at::Tensor pixels = random_pixels(at::kUInt16, {200, 200}, 4);
  std::uint16_t* values = pixels.mutable_data_ptr<std::uint16_t>();
  for (int i = 0; i < 200 * 200; ++i)
    values[i] = static_cast<std::uint16_t>(60000 + values[i] % 23);
  for (const double width : {1.0, 1.5, 2.0, 10.0, 10.5}) {
    for (const double slope : {1.0, -1.0, 0.0037, 1.000244}) {
      for (const Window window : {Window::kLinear, Window::kRange, Window::kSigmoid}) {
        PreprocessImage image;
        image.pixels = pixels;
        image.slope = slope;
        image.intercept = -1024.7;
        image.center = slope * 60011 - 1024.7;
        image.width = width;
        image.window = window;
        EXPECT_EQ(reference::difference(image_preprocess({image}, size(100, 70)),
                                        reference::image_preprocess({image}, size(100, 70))),
                  "")
            << "width " << width << ", slope " << slope;
      }
    }
  }
}

TEST(ImagePreprocessTest, MeansOverThousandsOfRowsAndColumnsStayExact) {
  const at::Tensor pixels = random_pixels(at::kUInt16, {5000, 3001}, 5);
  PreprocessSpec spec = size(1, 1);
  EXPECT_EQ(reference::difference(image_preprocess({middle_window(pixels)}, spec),
                                  reference::image_preprocess({middle_window(pixels)}, spec)),
            "");
  PreprocessImage constant = middle_window(at::full({5000, 3001}, 500.F));
  EXPECT_NEAR(image_preprocess({constant}, spec).item<float>(), 0.25, 3e-7);
}

TEST(ImagePreprocessTest, WritesIntoMemoryOfTheCaller) {
  const auto image = middle_window(random_pixels(at::kByte, {30, 30}, 6));
  const at::Tensor batch = at::full({4, 1, 16, 16}, -7.F);
  image_preprocess_out({image}, size(16, 16), batch.narrow(0, 2, 1));
  EXPECT_TRUE(same_bits(batch[2], image_preprocess({image}, size(16, 16))[0]));
  EXPECT_EQ(batch[1].min().item<float>(), -7);
  EXPECT_EQ(batch[3].max().item<float>(), -7);
}

TEST(ImagePreprocessTest, APackedBatchReadsThePixelsAsTheyAreWhenItRuns) {
  at::Tensor pixels = at::zeros({16, 16}, at::kByte);
  PreprocessImage image;
  image.pixels = pixels;
  const PackedPreprocess packed({image}, size(16, 16));
  const at::Tensor out = at::empty({1, 1, 16, 16});
  packed.run(out);
  EXPECT_EQ(out.sum().item<float>(), 0);
  pixels.fill_(1);
  packed.run(out);
  EXPECT_EQ(out.sum().item<float>(), 256);
}

/// One change to a good call, and the words that the refusal must contain.
struct Refusal {
  const char* name;
  std::function<void(PreprocessImage&, PreprocessSpec&)> change;
  const char* words;
};

class ImagePreprocessRefusalTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(ImagePreprocessRefusalTest, SaysWhatIsWrongWithWhichImage) {
  const PreprocessImage good = middle_window(random_pixels(at::kUInt16, {12, 14}, 7));
  PreprocessImage bad = good;
  PreprocessSpec spec = size(8, 8);
  GetParam().change(bad, spec);
  try {
    image_preprocess({good, bad}, spec);
    FAIL() << "was accepted";
  } catch (const c10::Error& error) {
    EXPECT_THAT(error.what_without_backtrace(), ::testing::HasSubstr(GetParam().words));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Refusals, ImagePreprocessRefusalTest,
    ::testing::Values(
        Refusal{"NoPixels", [](auto& i, auto&) { i.pixels = at::Tensor(); },
                "image 1 has no pixels"},
        Refusal{"Int32", [](auto& i, auto&) { i.pixels = at::zeros({4, 4}, at::kInt); },
                "pixels of image 1 are Int"},
        Refusal{"Rank1", [](auto& i, auto&) { i.pixels = at::zeros({4}, at::kByte); },
                "image 1 has shape [4]"},
        Refusal{"FourComponents",
                [](auto& i, auto&) { i.pixels = at::zeros({4, 4, 4}, at::kByte); },
                "image 1 has shape [4, 4, 4]"},
        Refusal{"NotContiguous",
                [](auto& i, auto&) { i.pixels = at::zeros({4, 6}, at::kByte).t(); },
                "image 1 is not contiguous"},
        Refusal{"NoRows", [](auto& i, auto&) { i.pixels = at::zeros({0, 6}, at::kByte); },
                "image 1 has shape [0, 6]"},
        Refusal{"BoxBelow", [](auto& i, auto&) { i.box = {5, 0, 8, 4}; }, "box of image 1"},
        Refusal{"BoxRight", [](auto& i, auto&) { i.box = {0, 11, 4, 4}; }, "box of image 1"},
        Refusal{"BoxNegative", [](auto& i, auto&) { i.box = {-1, 0, 4, 4}; }, "box of image 1"},
        Refusal{"BoxFlat", [](auto& i, auto&) { i.box = {0, 0, 4, 0}; }, "box of image 1"},
        Refusal{"BoxOverflow",
                [](auto& i, auto&) { i.box = {std::numeric_limits<std::int64_t>::max(), 0, 4, 4}; },
                "box of image 1"},
        Refusal{"WidthZero", [](auto& i, auto&) { i.width = 0; }, "image 1 has width 0"},
        Refusal{"LinearBelowOne",
                [](auto& i, auto&) {
                  i.window = Window::kLinear;
                  i.width = 0.99;
                },
                "linear window of image 1 has width 0.99"},
        Refusal{"SlopeNan", [](auto& i, auto&) { i.slope = kNan; }, "image 1 must be finite"},
        Refusal{"NoTable", [](auto& i, auto&) { i.window = Window::kTable; },
                "window table of image 1"},
        Refusal{"EmptyTable",
                [](auto& i, auto&) {
                  i.window = Window::kTable;
                  i.table = at::empty({0});
                },
                "window table of image 1"},
        Refusal{"TableOfDoubles",
                [](auto& i, auto&) {
                  i.window = Window::kTable;
                  i.table = at::zeros({4}, at::kDouble);
                },
                "window table of image 1"},
        Refusal{"TableOnFloats",
                [](auto& i, auto&) {
                  i.window = Window::kTable;
                  i.table = at::zeros({4});
                  i.pixels = at::zeros({4, 4});
                },
                "image 1 has float32 pixels"},
        Refusal{"PaddingReversed",
                [](auto& i, auto&) {
                  i.has_padding = true;
                  i.padding_low = 2;
                  i.padding_high = 1;
                },
                "padding range of image 1 is empty"},
        Refusal{"TwoChannels", [](auto&, auto& s) { s.channels = 2; }, "2 channels"},
        Refusal{"NoOutput", [](auto&, auto& s) { s.height = 0; }, "output size 0 x 8"},
        Refusal{"OutputDouble", [](auto&, auto& s) { s.dtype = at::kDouble; },
                "output type Double"},
        Refusal{"TwoMeans", [](auto&, auto& s) { s.mean = {0, 1}; }, "2 means"},
        Refusal{"MeanNan", [](auto&, auto& s) { s.mean = {kNan}; }, "the mean nan"},
        Refusal{"StdZero", [](auto&, auto& s) { s.stddev = {0}; }, "standard deviation 0"},
        Refusal{"PadValueNan", [](auto&, auto& s) { s.pad_value = kNan; }, "padding value nan"}),
    [](const auto& info) { return info.param.name; });

TEST(ImagePreprocessRefusalTest, RefusesAnOutputOfAnotherShapeTypeOrLayout) {
  const auto image = middle_window(random_pixels(at::kByte, {8, 8}, 8));
  const auto refuses = [&](const at::Tensor& out) {
    EXPECT_THROW(image_preprocess_out({image}, size(4, 4), out), c10::Error);
  };
  refuses(at::Tensor());
  refuses(at::empty({1, 1, 4, 5}));
  refuses(at::empty({2, 1, 4, 4}));
  refuses(at::empty({1, 1, 4, 4}, at::kHalf));
  refuses(at::empty({1, 1, 4, 8}).slice(3, 0, 8, 2));
}

}  // namespace
}  // namespace salus::kernels
