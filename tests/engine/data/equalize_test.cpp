#include "engine/data/equalize.h"

#include <ATen/ops/empty.h>
#include <gmock/gmock.h>

#include <cstring>
#include <vector>

#include "engine/data/transform.h"
#include "engine/io/error.h"
#include "kernels/clahe.h"
#include "kernels/histogram_equalize.h"

namespace salus::data {
namespace {

using ::testing::Each;
using ::testing::ElementsAreArray;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;

constexpr std::int64_t kSide = 24;

Transform transform(const std::string& keys) {
  return Transform(Config::parse("size = [24, 24]\n" + keys, "test.toml"));
}

/// `make(i)` for each of 24 x 24 pixels.
template <typename T, typename Make>
io::Image image_of(io::PixelType type, int bits, Make make) {
  io::Image image;
  image.pixels.type = type;
  image.pixels.frames = 1;
  image.pixels.rows = image.pixels.columns = kSide;
  std::vector<T> values;
  for (int i = 0; i < kSide * kSide; ++i) values.push_back(static_cast<T>(make(i)));
  image.pixels.bytes = std::make_shared<std::vector<std::byte>>(values.size() * sizeof(T));
  std::memcpy(image.pixels.bytes->data(), values.data(), values.size() * sizeof(T));
  image.bits_stored = bits;
  image.is_signed = std::is_signed_v<T>;
  image.gray.resize(1);
  return image;
}

int twelve_bits(int i) { return (i * 37 + i * i) % 4096; }

io::Image radiograph() { return image_of<std::uint16_t>(io::PixelType::kU16, 12, twelve_bits); }

at::Tensor stored(const io::Image& image) {
  at::Tensor levels = at::empty({kSide, kSide}, at::kUInt16);
  std::memcpy(levels.mutable_data_ptr(), image.pixels.frame(0), levels.nbytes());
  return levels;
}

std::vector<float> unit_values(const at::Tensor& levels, double top) {
  std::vector<float> values;
  const auto* from = static_cast<const std::uint16_t*>(levels.const_data_ptr());
  for (std::int64_t i = 0; i < levels.numel(); ++i) {
    values.push_back(static_cast<float>(from[i] / top));
  }
  return values;
}

std::vector<float> values(const at::Tensor& tensor) {
  const auto flat = tensor.contiguous();
  return {flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel()};
}

const std::string kClahe = "equalize = 'clahe'\nequalize_clip = 3\nequalize_tiles = [2, 3]\n";

TEST(EqualizeTest, ClaheRunsOnBitsStoredBeforeTheWindow) {
  const auto image = radiograph();
  const at::Tensor expected = kernels::clahe(stored(image), {3, 3, 2, 12});
  EXPECT_THAT(values(transform(kClahe).apply(image, 0)),
              Pointwise(FloatNear(1e-6F), unit_values(expected, 4095)));
}

TEST(EqualizeTest, HistogramRunsOnBitsStoredBeforeTheWindow) {
  const auto image = radiograph();
  const at::Tensor expected = kernels::histogram_equalize(stored(image), {12});
  EXPECT_THAT(values(transform("equalize = 'histogram'").apply(image, 0)),
              Pointwise(FloatNear(1e-6F), unit_values(expected, 4095)));
}

TEST(EqualizeTest, SignedPixelsGiveWhatTheSameOrderUnsignedGives) {
  const auto shifted =
      image_of<std::int16_t>(io::PixelType::kI16, 12, [](int i) { return twelve_bits(i) - 2048; });
  EXPECT_THAT(values(transform(kClahe).apply(shifted, 0)),
              ElementsAreArray(values(transform(kClahe).apply(radiograph(), 0))));
  const auto bytes = image_of<std::uint8_t>(io::PixelType::kU8, 8, [](int i) { return i * 7; });
  const auto signed_bytes =
      image_of<std::int8_t>(io::PixelType::kI8, 8, [](int i) { return (i * 7) % 256 - 128; });
  EXPECT_THAT(values(transform(kClahe).apply(signed_bytes, 0)),
              ElementsAreArray(values(transform(kClahe).apply(bytes, 0))));
}

TEST(EqualizeTest, OnlyTheDirectionOfTheModalityTransformMatters) {
  auto image = radiograph();
  const auto plain = values(transform(kClahe).apply(image, 0));
  image.gray[0].slope = 3.5;
  image.gray[0].intercept = -1024;
  EXPECT_THAT(values(transform(kClahe).apply(image, 0)), ElementsAreArray(plain));
  std::vector<float> inverted;
  for (const float v : plain) inverted.push_back(1 - v);
  image.gray[0].slope = -1;
  EXPECT_THAT(values(transform(kClahe).apply(image, 0)), Pointwise(FloatNear(1e-6F), inverted));
  image.monochrome1 = true;
  EXPECT_THAT(values(transform(kClahe).apply(image, 0)), ElementsAreArray(plain));
  io::LookupTable falling;
  falling.entries = {100, 50, 0};
  image.gray[0].modality_lut = falling;
  EXPECT_THAT(values(transform(kClahe).apply(image, 0)), ElementsAreArray(plain));
  image.monochrome1 = false;
  EXPECT_THAT(values(transform(kClahe).apply(image, 0)), Pointwise(FloatNear(1e-6F), inverted));
}

TEST(EqualizeTest, PaddingIsNotCountedAndBecomesThePadValue) {
  const auto with_padding = [](int padding) {
    return image_of<std::uint16_t>(io::PixelType::kU16, 12, [padding](int i) {
      return i % 24 < 8 ? padding : 1000 + twelve_bits(i) / 8;
    });
  };
  for (const char* kind : {"equalize = 'histogram'\n", kClahe.c_str()}) {
    auto image = with_padding(0), other = with_padding(4000);
    image.padding = io::PaddingRange{0, 0};
    other.padding = io::PaddingRange{4000, 4095};
    const auto out = values(transform(std::string(kind) + "pad_value = 0.25").apply(image, 0));
    for (int i = 0; i < kSide * kSide; ++i) {
      EXPECT_EQ(out[i] == 0.25F && image.pixels.frame_as<std::uint16_t>(0)[i] == 0, i % 24 < 8)
          << i;
    }
    EXPECT_THAT(values(transform("equalize = 'histogram'\npad_value = 0.25").apply(other, 0)),
                ElementsAreArray(
                    values(transform("equalize = 'histogram'\npad_value = 0.25").apply(image, 0))));
  }
}

TEST(EqualizeTest, SignedPaddingIsReadInTheSignednessOfThePixels) {
  auto image =
      image_of<std::int16_t>(io::PixelType::kI16, 16, [](int i) { return i % 2 == 0 ? -2000 : i; });
  image.padding = io::PaddingRange{-2000, -2000};
  const auto out = values(transform("equalize = 'histogram'\npad_value = 0.5").apply(image, 0));
  EXPECT_EQ(out[0], 0.5F);
  EXPECT_NEAR(out[1], 0, 1e-6);
  EXPECT_NEAR(out[kSide * kSide - 1], 1, 1e-6);
  image.padding = io::PaddingRange{-40000, -35000};
  EXPECT_NEAR(values(transform("equalize = 'histogram'").apply(image, 0))[0], 0, 1e-6);
}

TEST(EqualizeTest, TheImageIsLeftAsItWas) {
  const auto image = radiograph();
  const std::vector<std::byte> before = *image.pixels.bytes;
  transform(kClahe).apply(image, 0);
  EXPECT_EQ(*image.pixels.bytes, before);
}

std::string refusal(const std::string& keys) {
  try {
    transform(keys);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(EqualizeTest, RefusesOtherWindowsBesideIt) {
  for (const char* window : {"[40, 400]", "'file'", "'minmax'"}) {
    EXPECT_THAT(refusal("equalize = 'clahe'\nwindow = " + std::string(window)),
                HasSubstr("must be \"full\""));
  }
  EXPECT_EQ(refusal("equalize = 'clahe'\nwindow = 'full'"), "accepted");
}

TEST(EqualizeTest, RefusesKeysOfAnotherKind) {
  EXPECT_THAT(refusal("equalize_clip = 2"), HasSubstr("belongs to equalize = \"clahe\""));
  EXPECT_THAT(refusal("equalize = 'histogram'\nequalize_tiles = [8, 8]"),
              HasSubstr("belongs to equalize = \"clahe\""));
}

TEST(EqualizeTest, RefusesBadValuesAndNamesTheNearestKey) {
  EXPECT_THAT(refusal("equalize = 'clahe'\nequalize_clip = -1"), HasSubstr("equalize_clip"));
  EXPECT_THAT(refusal("equalize = 'clahe'\nequalize_clip = nan"), HasSubstr("equalize_clip"));
  for (const char* tiles : {"8", "[8]", "[0, 8]", "[8, 1025]", "[2.5, 2]"}) {
    EXPECT_THAT(refusal("equalize = 'clahe'\nequalize_tiles = " + std::string(tiles)),
                HasSubstr("equalize_tiles"));
  }
  EXPECT_THAT(refusal("equalise = 'clahe'"), HasSubstr("equalize"));
  EXPECT_THAT(refusal("equalize = 'clahe'\nequalize_tile = [8, 8]"), HasSubstr("equalize_tiles"));
}

TEST(EqualizeTest, RefusesColourFloatsAndWideIntegers) {
  auto colour = image_of<std::uint8_t>(io::PixelType::kU8, 8, [](int i) { return i; });
  colour.pixels.samples = 3;
  colour.pixels.rows = 8;
  EXPECT_THROW(transform(kClahe).apply(colour, 0), Error);
  const auto real = image_of<float>(io::PixelType::kF32, 32, [](int i) { return i; });
  EXPECT_THROW(transform(kClahe).apply(real, 0), Error);
  const auto wide = image_of<std::uint32_t>(io::PixelType::kU32, 12, [](int i) { return i; });
  EXPECT_THROW(transform(kClahe).apply(wide, 0), Error);
}

}  // namespace
}  // namespace salus::data
