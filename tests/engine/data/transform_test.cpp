#include "engine/data/transform.h"

#include <gmock/gmock.h>

#include <cstring>
#include <limits>

#include "engine/io/error.h"

namespace salus::data {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;

Transform transform(const std::string& toml) { return Transform(Config::parse(toml, "test.toml")); }

template <typename T>
io::Image image_of(io::PixelType type, std::vector<T> values, std::int64_t rows,
                   std::int64_t columns, int bits, bool is_signed) {
  io::Image image;
  image.pixels.type = type;
  image.pixels.frames = static_cast<std::int64_t>(values.size()) / (rows * columns);
  image.pixels.rows = rows;
  image.pixels.columns = columns;
  image.pixels.bytes = std::make_shared<std::vector<std::byte>>(values.size() * sizeof(T));
  std::memcpy(image.pixels.bytes->data(), values.data(), values.size() * sizeof(T));
  image.bits_stored = bits;
  image.is_signed = is_signed;
  image.gray.resize(1);
  return image;
}

/// Four CT pixels, 12 bits, HU = stored - 1024.
io::Image ct(std::vector<std::int16_t> stored) {
  auto image = image_of(io::PixelType::kI16, std::move(stored), 2, 2, 16, true);
  image.gray[0].slope = 1;
  image.gray[0].intercept = -1024;
  image.gray[0].has_rescale = true;
  image.gray[0].unit = "HU";
  return image;
}

std::vector<float> values(const at::Tensor& tensor) {
  const auto flat = tensor.contiguous();
  return {flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel()};
}

const std::string kTwoByTwo = "size = [2, 2]\n";

TEST(TransformTest, FixedWindowIsTheLinearFunctionOfTheStandard) {
  const auto image = ct({984, 1064, 1264, 864});  // -40, 40, 240, -160 HU
  const auto out = values(transform(kTwoByTwo + "window = [40, 401]").apply(image, 0));
  for (std::size_t i = 0; i < 4; ++i) {
    const double hu[] = {-40, 40, 240, -160};
    const double expected = (hu[i] - 39.5) / 400 + 0.5;
    EXPECT_NEAR(out[i], std::clamp(expected, 0.0, 1.0), 1e-6) << hu[i];
  }
}

TEST(TransformTest, FileWindowPrefersTheLookupTable) {
  auto image = image_of<std::uint8_t>(io::PixelType::kU8, {0, 1, 2, 3}, 2, 2, 8, false);
  image.gray[0].windows.push_back({1, 2, ""});
  io::LookupTable lut;
  lut.first = 1;
  lut.bits = 8;
  lut.entries = {255, 51, 0};
  image.gray[0].voi_luts.push_back(lut);
  EXPECT_THAT(values(transform(kTwoByTwo + "window = 'file'").apply(image, 0)),
              ElementsAre(1, 1, 0.2F, 0));
}

TEST(TransformTest, FileWindowUsesTheFunctionOfTheFile) {
  auto image = ct({1024, 1124, 924, 1024});
  image.gray[0].windows.push_back({0, 200, ""});
  image.gray[0].function = io::VoiFunction::kLinearExact;
  EXPECT_THAT(values(transform(kTwoByTwo + "window = 'file'").apply(image, 0)),
              Pointwise(FloatNear(1e-6F), {0.5F, 1.0F, 0.0F, 0.5F}));
  image.gray[0].function = io::VoiFunction::kSigmoid;
  const auto sigmoid = values(transform(kTwoByTwo + "window = 'file'").apply(image, 0));
  EXPECT_NEAR(sigmoid[1], 1 / (1 + std::exp(-2.0)), 1e-6);
}

TEST(TransformTest, FullRangeIsWhatBitsStoredCanHold) {
  auto image = image_of<std::uint16_t>(io::PixelType::kU16, {0, 4095, 819, 0}, 2, 2, 12, false);
  const auto out = values(transform(kTwoByTwo + "window = 'full'").apply(image, 0));
  EXPECT_FLOAT_EQ(out[1], 1);
  EXPECT_FLOAT_EQ(out[2], 0.2F);
  auto negative = image_of<std::int8_t>(io::PixelType::kI8, {-128, 127, 0, 0}, 2, 2, 8, true);
  EXPECT_FLOAT_EQ(values(transform(kTwoByTwo).apply(negative, 0))[0], 0);
  EXPECT_FLOAT_EQ(values(transform(kTwoByTwo).apply(negative, 0))[1], 1);
}

TEST(TransformTest, MinmaxLeavesPaddingOut) {
  auto image = ct({-2000, 1000, 1500, 2000});
  image.padding = io::PaddingRange{-2000, -2000};
  const auto out = transform(kTwoByTwo + "window = 'minmax'\npad_value = 0.25").apply(image, 0);
  EXPECT_THAT(values(out), ElementsAre(0.25F, 0, 0.5F, 1));
}

TEST(TransformTest, PaddingOfFloatPixelsMayBeAnyNumber) {
  const Transform minmax = transform(kTwoByTwo + "window = 'minmax'\npad_value = 0.25");
  for (const float padding : {-0.5F, std::numeric_limits<float>::lowest(), 0.1F}) {
    auto image = image_of<float>(io::PixelType::kF32, {padding, 1, 2, 3}, 2, 2, 32, true);
    image.padding = io::PaddingRange{padding, padding};
    EXPECT_THAT(values(minmax.apply(image, 0)), ElementsAre(0.25F, 0, 0.5F, 1)) << padding;
  }
  for (const double padding : {0.1, -1e-3, -1e300}) {
    auto image = image_of<double>(io::PixelType::kF64, {padding, 1, 2, 3}, 2, 2, 64, true);
    image.padding = io::PaddingRange{padding, padding};
    EXPECT_THAT(values(minmax.apply(image, 0)), ElementsAre(0.25F, 0, 0.5F, 1)) << padding;
  }
}

TEST(TransformTest, AConstantImageIsZeroNotNaN) {
  const auto image = image_of<std::uint8_t>(io::PixelType::kU8, {7, 7, 7, 7}, 2, 2, 8, false);
  for (const float value : values(transform(kTwoByTwo + "window = 'minmax'").apply(image, 0))) {
    EXPECT_FALSE(std::isnan(value));
  }
}

TEST(TransformTest, Monochrome1IsInvertedLast) {
  auto image = image_of<std::uint8_t>(io::PixelType::kU8, {0, 255, 51, 0}, 2, 2, 8, false);
  image.monochrome1 = true;
  EXPECT_THAT(values(transform(kTwoByTwo).apply(image, 0)), ElementsAre(1, 0, 0.8F, 1));
}

TEST(TransformTest, ModalityTableIsAppliedBeforeTheWindow) {
  auto image = image_of<std::uint8_t>(io::PixelType::kU8, {0, 1, 2, 9}, 2, 2, 8, false);
  io::LookupTable lut;
  lut.first = 0;
  lut.entries = {0, 500, 1000};
  image.gray[0].modality_lut = lut;
  const auto out = values(transform(kTwoByTwo + "window = [500.5, 1001]").apply(image, 0));
  EXPECT_THAT(out, ElementsAre(0, 0.5F, 1, 1));
}

TEST(TransformTest, WideIntegersAndDoublesAreWidenedToFloat) {
  auto wide =
      image_of<std::uint32_t>(io::PixelType::kU32, {0, 100000, 200000, 50000}, 2, 2, 32, false);
  EXPECT_THAT(values(transform(kTwoByTwo + "window = 'minmax'").apply(wide, 0)),
              Pointwise(FloatNear(1e-6F), {0.0F, 0.5F, 1.0F, 0.25F}));
  auto real = image_of<double>(io::PixelType::kF64, {-1, 0, 1, 1}, 2, 2, 64, true);
  EXPECT_THAT(values(transform(kTwoByTwo).apply(real, 0)), ElementsAre(0, 0.5F, 1, 1));
}

TEST(TransformTest, NormalisesWithMeanAndDeviation) {
  const auto image = image_of<std::uint8_t>(io::PixelType::kU8, {0, 255, 0, 255}, 2, 2, 8, false);
  EXPECT_THAT(values(transform(kTwoByTwo + "mean = [0.5]\nstd = [0.25]").apply(image, 0)),
              ElementsAre(-2, 2, -2, 2));
}

TEST(TransformTest, ChoosesFrames) {
  const auto image =
      image_of<std::uint8_t>(io::PixelType::kU8, std::vector<std::uint8_t>(20), 2, 2, 8, false);
  EXPECT_THAT(transform("").frames(image), ElementsAre(2));
  EXPECT_THAT(transform("frames = 'first'").frames(image), ElementsAre(0));
  EXPECT_THAT(transform("frames = 'all'").frames(image), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(transform("frames = 3").frames(image), ElementsAre(3));
  EXPECT_THROW(transform("frames = 5").frames(image), Error);
}

TEST(TransformTest, RefusesBadTables) {
  for (const char* bad : {"size = [0, 2]", "size = [2]", "size = [2.5, 2]", "channels = 2",
                          "window = [40, 0]", "window = [40]", "window = 'auto'", "std = [0.0]",
                          "mean = [0.1, 0.2]", "resize = 'cubic'", "frames = -1", "frames = 'last'",
                          "pool = 'median'", "equalize = 'adaptive'", "equalize = true"}) {
    EXPECT_THROW(transform(bad), UsageError) << bad;
  }
}

TEST(TransformTest, NamesAnUnknownKeyAndTheNearest) {
  try {
    transform("windw = 'full'");
    FAIL() << "windw was accepted";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("windw"));
    EXPECT_THAT(error.what(), HasSubstr("window"));
  }
}

TEST(TransformTest, RefusesAnImageWithoutPixels) {
  auto image = ct({0, 0, 0, 0});
  image.pixels.bytes = nullptr;
  EXPECT_THROW(transform(kTwoByTwo).apply(image, 0), Error);
}

}  // namespace
}  // namespace salus::data
