#include "engine/io/modality.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "engine/io/error.h"
#include "tests/support/dicom_files.h"

namespace salus::test {
namespace {

using io::Image;
using io::modality_values;
using io::ModalityValues;
using io::PixelType;
using testing::ElementsAre;

template <typename T>
Image image_of(PixelType type, const std::vector<T>& values) {
  Image image;
  image.pixels.type = type;
  image.pixels.frames = image.pixels.rows = 1;
  image.pixels.columns = static_cast<std::int64_t>(values.size());
  image.pixels.bytes = std::make_shared<std::vector<std::byte>>(values.size() * sizeof(T));
  std::memcpy(image.pixels.bytes->data(), values.data(), values.size() * sizeof(T));
  image.gray.resize(1);
  return image;
}

TEST(ModalityTest, KeepsStoredValuesWithoutATransform) {
  const ModalityValues values =
      modality_values(image_of<std::int16_t>(PixelType::kI16, {-3, 5, 10}));
  EXPECT_EQ(values.type, PixelType::kI16);
  EXPECT_THAT(as_doubles(values.bytes, values.type), ElementsAre(-3, 5, 10));
  EXPECT_EQ(values.minimum, -3);
  EXPECT_EQ(values.maximum, 10);
  EXPECT_EQ(values.mean, 4);
}

TEST(ModalityTest, StaysIntegerWhereEveryValueIsExact) {
  Image image = image_of<std::uint16_t>(PixelType::kU16, {0, 24, 4095});
  image.gray[0].intercept = -1024;
  const ModalityValues values = modality_values(image);
  EXPECT_EQ(values.type, PixelType::kI16);
  EXPECT_THAT(as_doubles(values.bytes, values.type), ElementsAre(-1024, -1000, 3071));
  image.gray[0].slope = 100000;
  EXPECT_EQ(modality_values(image).type, PixelType::kI32);
  image.gray[0].slope = 1e9;
  EXPECT_EQ(modality_values(image).type, PixelType::kF32);
}

TEST(ModalityTest, RoundsOnceFromDouble) {
  Image image = image_of<std::uint16_t>(PixelType::kU16, {1, 2000});
  image.gray[0].slope = 1.0002441;
  image.gray[0].intercept = -1024;
  const ModalityValues values = modality_values(image);
  EXPECT_EQ(values.type, PixelType::kF32);
  EXPECT_THAT(as_doubles(values.bytes, values.type),
              ElementsAre(static_cast<float>(1.0002441 - 1024),
                          static_cast<float>(2000 * 1.0002441 - 1024)));
  EXPECT_EQ(values.maximum, 2000 * 1.0002441 - 1024);
}

TEST(ModalityTest, LooksUpTablesAndClampsAtTheirEnds) {
  Image image = image_of<std::uint8_t>(PixelType::kU8, {0, 10, 11, 200});
  io::LookupTable table;
  table.first = 10;
  table.entries = {100, 300};
  image.gray[0].modality_lut = table;
  image.gray[0].slope = 5;  // not used beside a table
  const ModalityValues values = modality_values(image);
  EXPECT_EQ(values.type, PixelType::kU16);
  EXPECT_THAT(as_doubles(values.bytes, values.type), ElementsAre(100, 100, 300, 300));
}

TEST(ModalityTest, AppliesTheChainOfEachFrame) {
  Image image = image_of<std::uint8_t>(PixelType::kU8, {1, 2, 3, 4});
  image.pixels.frames = 2;
  image.pixels.columns = 2;
  image.gray.resize(2);
  image.gray[1].slope = 10;
  EXPECT_THAT(modality_doubles(image), ElementsAre(1, 2, 30, 40));
}

TEST(ModalityTest, CountsPaddingAndKeepsIt) {
  Image image = image_of<std::int16_t>(PixelType::kI16, {-2000, 0, -1999, 7});
  image.padding = io::PaddingRange{-2000, -1999};
  const ModalityValues values = modality_values(image);
  EXPECT_EQ(values.padding_count, 2);
  EXPECT_EQ(values.minimum, -2000);
}

TEST(ModalityTest, LeavesNanOutOfTheStatistics) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const ModalityValues values =
      modality_values(image_of<float>(PixelType::kF32, {nan, 1.5f, 2.5f}));
  EXPECT_EQ(values.nan_count, 1);
  EXPECT_EQ(values.mean, 2);
  EXPECT_EQ(values.type, PixelType::kF32);
  EXPECT_TRUE(std::isnan(as_doubles(values.bytes, values.type)[0]));
  EXPECT_TRUE(std::isnan(modality_values(image_of<float>(PixelType::kF32, {nan})).mean));
}

TEST(ModalityTest, ATableKeepsNanAndClampsInfinity) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  Image image = image_of<float>(PixelType::kF32, {kNan, -kInfinity, kInfinity, 11});
  io::LookupTable table;
  table.first = 10;
  table.entries = {100, 300, 500};
  image.gray[0].modality_lut = table;
  const ModalityValues values = modality_values(image);
  EXPECT_THAT(as_doubles(values.bytes, values.type), ElementsAre(testing::IsNan(), 100, 500, 300));
  EXPECT_EQ(values.nan_count, 1);
}

TEST(ModalityTest, RoundsDoublePixelsToFloat) {
  const ModalityValues values = modality_values(image_of<double>(PixelType::kF64, {0.1}));
  EXPECT_EQ(values.type, PixelType::kF32);
  EXPECT_EQ(as_doubles(values.bytes, values.type)[0], 0.1f);
  EXPECT_EQ(values.mean, 0.1);
}

TEST(ModalityTest, RefusesAnImageWithoutPixels) {
  SALUS_EXPECT_ERROR(modality_values(Image{}), testing::HasSubstr("without its pixels"));
}

}  // namespace
}  // namespace salus::test
