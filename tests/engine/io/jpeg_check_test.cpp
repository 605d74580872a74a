#include "engine/io/jpeg_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/io/jpeg2000.h"
#include "tests/support/dicom_builder.h"

namespace salus::test {
namespace {

using io::check_jpeg;
using io::CodecError;
using testing::HasSubstr;
using testing::ThrowsMessage;

Bytes joined(const std::vector<std::vector<int>>& parts) {
  Bytes out;
  for (const auto& part : parts) {
    const Bytes bytes = bytes_of(part);
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  return out;
}

const std::vector<int> kStart = {0xFF, 0xD8}, kEnd = {0xFF, 0xD9};
const std::vector<int> kFrame = {0xFF, 0xC0, 0, 17, 8,    0, 4, 0,    6, 3,
                                 1,    0x22, 0, 2,  0x11, 1, 3, 0x11, 1};
const std::vector<int> kScan = {0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0, 0x12, 0xFF, 0, 0xFF, 0xD0, 7};

void expect_refused(const std::vector<std::vector<int>>& parts, const std::string& reason) {
  EXPECT_THAT([&] { check_jpeg(joined(parts)); }, ThrowsMessage<CodecError>(HasSubstr(reason)));
}

TEST(JpegCheckTest, ReadsTheFrameHeader) {
  const io::JpegInfo info = check_jpeg(joined({kStart, kFrame, kScan, kEnd}));
  EXPECT_EQ(info.rows, 4);
  EXPECT_EQ(info.columns, 6);
  EXPECT_EQ(info.components, 3);
  EXPECT_EQ(info.precision, 8);
  EXPECT_TRUE(info.subsampled);
  EXPECT_TRUE(info.ends);
  EXPECT_FALSE(info.has_jfif);
  EXPECT_EQ(info.adobe_transform, -1);
  EXPECT_FALSE(check_jpeg(joined({kStart, kFrame, kScan})).ends);
}

TEST(JpegCheckTest, ReadsColourMarkers) {
  const std::vector<int> jfif = {0xFF, 0xE0, 0, 7, 'J', 'F', 'I', 'F', 0};
  const std::vector<int> adobe = {0xFF, 0xEE, 0,   14, 'A', 'd', 'o', 'b',
                                  'e',  0,    100, 0,  0,   0,   0,   1};
  const io::JpegInfo info = check_jpeg(joined({kStart, jfif, adobe, kFrame, kScan, kEnd}));
  EXPECT_TRUE(info.has_jfif);
  EXPECT_EQ(info.adobe_transform, 1);
}

TEST(JpegCheckTest, RefusesSegmentLengthsBelowTwo) {
  expect_refused({kStart, {0xFF, 0xE1, 0, 0}, kFrame, kScan, kEnd}, "has the length 0");
  expect_refused({kStart, {0xFF, 0xE1, 0, 1}, kFrame, kScan, kEnd}, "has the length 1");
  expect_refused({kStart, kFrame, {0xFF, 0xE1, 0x7F, 0xFF}}, "has the length 32767");
}

TEST(JpegCheckTest, RefusesWhatNoDecoderHereKnows) {
  expect_refused({kStart, {0xFF, 0xC9, 0, 8, 8, 0, 1, 0, 1, 1}}, "arithmetic coding");
  expect_refused({kStart, {0xFF, 0xC5, 0, 8, 8, 0, 1, 0, 1, 1}}, "hierarchical");
  expect_refused({kStart, kFrame, kFrame, kScan}, "two frame headers");
  expect_refused({kStart, kScan, kFrame}, "before the frame header");
  expect_refused({kStart, kFrame, kEnd}, "before its first scan");
  expect_refused({kStart, kEnd}, "no frame header");
  expect_refused({kStart, {0x12, 0x34}}, "bytes between its markers");
  expect_refused({{0x12, 0x34, 0x56, 0x78}}, "start marker");
}

TEST(JpegCheckTest, LimitsTheNumberOfScans) {
  std::vector<std::vector<int>> parts = {kStart, kFrame};
  for (int i = 0; i < 201; ++i) parts.push_back(kScan);
  expect_refused(parts, "more than 200 scans");
}

Bytes siz(std::uint32_t width, std::uint32_t tile, int components) {
  Bytes out = bytes_of({0xFF, 0x4F, 0xFF, 0x51, 0, 38 + 3 * components, 0, 0});
  const auto add = [&](std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      out.push_back(static_cast<std::byte>(value >> shift));
    }
  };
  add(width), add(100), add(0), add(0), add(tile), add(tile), add(0), add(0);
  out.push_back(std::byte{0});
  out.push_back(static_cast<std::byte>(components));
  for (int c = 0; c < components; ++c) {
    for (const int b : {0x8B, 1, 1}) out.push_back(static_cast<std::byte>(b));
  }
  return out;
}

TEST(Jpeg2000CheckTest, ReadsSizePrecisionAndSign) {
  const io::Jpeg2000Info info = io::check_jpeg2000(siz(200, 64, 1));
  EXPECT_EQ(info.columns, 200);
  EXPECT_EQ(info.rows, 100);
  EXPECT_EQ(info.tiles, 8);
  EXPECT_EQ(info.precision, 12);
  EXPECT_TRUE(info.is_signed);
  EXPECT_TRUE(info.uniform);
}

TEST(Jpeg2000CheckTest, RefusesImpossibleSizes) {
  const auto refused = [](const Bytes& bytes, const std::string& why) {
    EXPECT_THAT([&] { io::check_jpeg2000(bytes); }, ThrowsMessage<CodecError>(HasSubstr(why)));
  };
  refused(siz(0, 64, 1), "impossible");
  refused(siz(200, 0, 1), "impossible");
  refused(siz(200, 1, 1), "200 x 100 tiles");
  refused(siz(200, 64, 0), "0 components");
  refused(bytes_of({0xFF, 0x4F}), "does not begin");
}

TEST(Jpeg2000CheckTest, RefusesADamagedHeader) {
  const Bytes bytes = siz(200, 64, 1);
  std::vector<std::int32_t> out(200 * 100);
  EXPECT_THAT([&] { io::decode_jpeg2000(bytes, io::check_jpeg2000(bytes), out.data()); },
              ThrowsMessage<CodecError>(HasSubstr("header is damaged")));
}

}  // namespace
}  // namespace salus::test
