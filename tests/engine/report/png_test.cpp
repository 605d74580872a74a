#include "engine/report/png.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/image.h"
#include "tests/engine/report/sample_report.h"

namespace salus::report {
namespace {

std::string encode(const std::string& text) {
  return base64(std::as_bytes(std::span(text.data(), text.size())));
}

/// What a full reader (OpenCV through io::read_image) sees in the bytes.
io::Image read_back(const Picture& picture) {
  const std::string path = ::testing::TempDir() + "salus_png_test.png";
  io::write_file(path, encode_png(picture));
  return io::read_image(path);
}

TEST(PngTest, ARealPictureReadsBackBitForBit) {
  const Picture picture = testing::sample_picture(3);
  const io::Image image = read_back(picture);
  ASSERT_EQ(image.pixels.rows, 28);
  ASSERT_EQ(image.pixels.columns, 28);
  ASSERT_EQ(image.pixels.samples, 1);
  EXPECT_EQ(std::memcmp(image.pixels.bytes->data(), picture.pixels.data(), 784), 0);
}

TEST(PngTest, ColourReadsBackBitForBitAtOddSizes) {
  for (const auto& [rows, columns] : {std::pair{1, 1}, {3, 7}, {1, 5}, {64, 33}}) {
    Picture picture{rows, columns, 3, {}};
    for (int i = 0; i < rows * columns * 3; ++i) {
      picture.pixels.push_back(static_cast<std::uint8_t>(i * 73 + i / 7));
    }
    const io::Image image = read_back(picture);
    ASSERT_EQ(image.pixels.samples, 3);
    EXPECT_EQ(std::memcmp(image.pixels.bytes->data(), picture.pixels.data(), picture.pixels.size()),
              0);
  }
}

TEST(PngTest, RejectsSizesThatContradictTheValues) {
  EXPECT_THROW(encode_png({2, 2, 1, {1, 2, 3}}), Error);
  EXPECT_THROW(encode_png({0, 2, 1, {}}), Error);
  EXPECT_THROW(encode_png({1, 1, 2, {1, 2}}), Error);
  EXPECT_THROW(encode_png({-1, -1, 1, {1}}), Error);
}

TEST(PngTest, ThumbnailsAverageDownAndRepeatUp) {
  const Picture down = thumbnail({2, 4, 1, {0, 10, 100, 200, 20, 30, 0, 100}}, 2);
  EXPECT_EQ(down.rows, 1);
  EXPECT_EQ(down.columns, 2);
  EXPECT_EQ(down.pixels, (std::vector<std::uint8_t>{15, 100}));
  const Picture up = thumbnail({1, 2, 1, {7, 9}}, 5);
  EXPECT_EQ(up.rows, 2);
  EXPECT_EQ(up.pixels, (std::vector<std::uint8_t>{7, 7, 9, 9, 7, 7, 9, 9}));
  const Picture wide = thumbnail({1, 1000, 1, std::vector<std::uint8_t>(1000, 5)}, 10);
  EXPECT_EQ(wide.rows, 1);
  EXPECT_EQ(wide.pixels, std::vector<std::uint8_t>(10, 5));
  EXPECT_THROW(thumbnail({1, 1, 1, {1}}, 0), Error);
}

TEST(PngTest, Base64EqualsTheExamplesOfRfc4648) {
  EXPECT_EQ(encode(""), "");
  EXPECT_EQ(encode("f"), "Zg==");
  EXPECT_EQ(encode("fo"), "Zm8=");
  EXPECT_EQ(encode("foo"), "Zm9v");
  EXPECT_EQ(encode("foob"), "Zm9vYg==");
  EXPECT_EQ(encode("fooba"), "Zm9vYmE=");
  EXPECT_EQ(encode("foobar"), "Zm9vYmFy");
}

}  // namespace
}  // namespace salus::report
