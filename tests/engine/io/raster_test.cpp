#include "engine/io/raster.h"

#include <zlib.h>

#include <cstring>
#include <functional>
#include <string_view>

#include "engine/io/error.h"
#include "engine/io/image.h"
#include "engine/io/npy.h"
#include "engine/io/numbers.h"
#include "tests/support/files.h"
#include "tests/support/fuzz.h"

namespace salus::io {
namespace {

using test::data_path;
using test::read_test_file;
using ::testing::AllOf;
using ::testing::HasSubstr;

Image golden(const std::string& name) { return read_image(data_path("images/" + name)); }

// Pixels equal what Pillow or tifffile read, whatever axes of extent 1 they drop.
void expect_pixels(const std::string& name, const Image& image) {
  const NpyArray expected = read_npy(data_path("images/" + name + ".npy"));
  ASSERT_TRUE(image.pixels.bytes) << name;
  const Pixels& p = image.pixels;
  EXPECT_EQ(numpy_name(p.type), expected.dtype) << name;
  ASSERT_EQ(p.bytes->size(), expected.bytes.size()) << name;
  const std::size_t last = expected.shape.size() - (p.samples == 3 ? 2 : 1);
  EXPECT_EQ(expected.shape[last], p.columns) << name;
  EXPECT_EQ(expected.shape[last - 1], p.rows) << name;
  EXPECT_EQ(std::memcmp(p.bytes->data(), expected.bytes.data(), expected.bytes.size()), 0) << name;
}

class RasterGoldenTest : public ::testing::TestWithParam<const char*> {};

TEST_P(RasterGoldenTest, EqualsTheReferenceReader) {
  expect_pixels(GetParam(), golden(GetParam()));
}

TEST_P(RasterGoldenTest, HeaderSaysTheSizeOfThePixels) {
  const Image image = golden(GetParam());
  const Image header = read_image_header(data_path(std::string("images/") + GetParam()));
  EXPECT_FALSE(header.pixels.bytes);
  EXPECT_EQ(header.pixels.rows, image.pixels.rows);
  EXPECT_EQ(header.pixels.columns, image.pixels.columns);
  EXPECT_EQ(header.pixels.samples, image.pixels.samples);
  EXPECT_EQ(header.pixels.frames, image.pixels.frames);
  EXPECT_EQ(header.pixels.type, image.pixels.type);
}

TEST_P(RasterGoldenTest, RefusesEveryTruncation) {
  const test::TemporaryFolder folder;
  const auto whole = read_test_file(data_path(std::string("images/") + GetParam()));
  for (std::size_t size = 1; size < whole.size(); size += 1 + whole.size() / 40) {
    const std::vector<std::byte> part(whole.begin(),
                                      whole.begin() + static_cast<std::ptrdiff_t>(size));
    test::write_test_file(folder.path("part"), part);
    EXPECT_THROW(read_image(folder.path("part")), Error) << size << " of " << whole.size();
  }
}

INSTANTIATE_TEST_SUITE_P(
    Files, RasterGoldenTest,
    ::testing::Values("gray8.png", "gray16.png", "gray1.png", "gray4.png", "gray_alpha.png",
                      "rgb8.png", "rgba8.png", "rgb16.png", "palette.png", "interlaced.png",
                      "oriented.png", "gray.jpg", "rgb420.jpg", "rgb444.jpg", "progressive.jpg",
                      "restarts.jpg", "oriented.jpg", "u8.tif", "u16_big_endian.tif",
                      "i16_deflate.tif", "i32.tif", "f32_lzw.tif", "f64.tif", "packbits.tif",
                      "rgb.tif", "rgb_planar.tif", "rgba.tif", "tiled_u16.tif", "bigtiff.tif",
                      "pages.tif", "white_is_zero.tif", "jpeg.tif", "bilevel.tif", "palette.tif",
                      "oriented2.tif", "oriented3.tif", "oriented4.tif", "oriented5.tif",
                      "oriented6.tif", "oriented7.tif", "oriented8.tif"));

TEST(RasterTest, NamesFormatAndBits) {
  const Image png = golden("gray16.png");
  EXPECT_EQ(png.format, "PNG");
  EXPECT_EQ(png.bits_stored, 16);
  EXPECT_FALSE(png.is_signed);
  EXPECT_EQ(png.gray.size(), 1u);
  EXPECT_FALSE(png.chain(0).has_rescale);
  const Image tiff = golden("i16_deflate.tif");
  EXPECT_EQ(tiff.format, "TIFF");
  EXPECT_TRUE(tiff.is_signed);
  EXPECT_EQ(golden("rgb420.jpg").format, "JPEG");
}

TEST(RasterTest, PagesAreFrames) { EXPECT_EQ(golden("pages.tif").pixels.frames, 4); }

TEST(RasterTest, WhiteIsZeroIsInvertedLast) {
  EXPECT_TRUE(golden("white_is_zero.tif").monochrome1);
  EXPECT_FALSE(golden("u8.tif").monochrome1);
}

TEST(RasterTest, ExifOrientationIsLeftAndWarnedOf) {
  for (const char* name : {"oriented.jpg", "oriented.png"}) {
    const Image image = golden(name);
    ASSERT_EQ(image.warnings.size(), 1u) << name;
    EXPECT_THAT(image.warnings[0], HasSubstr("orientation 6"));
    EXPECT_EQ(image.pixels.columns, 37);
  }
  EXPECT_TRUE(golden("gray.jpg").warnings.empty());
}

TEST(RasterTest, RefusesCmykByName) {
  SALUS_EXPECT_ERROR(golden("cmyk.jpg"), AllOf(HasSubstr("cmyk.jpg"), HasSubstr("CMYK")));
}

TEST(RasterTest, RefusesPixelsOverTheLimit) {
  ReadLimits limits;
  limits.max_pixel_bytes = 37 * 29 - 1;
  for (const char* name : {"gray8.png", "gray.jpg", "u8.tif"}) {
    SALUS_EXPECT_ERROR(read_image(data_path(std::string("images/") + name), limits),
                       HasSubstr("37 pixels"));
  }
}

TEST(RasterTest, RefusesAFileOverTheLimit) {
  ReadLimits limits;
  limits.max_file_bytes = 100;
  SALUS_EXPECT_ERROR(read_image(data_path("images/gray8.png"), limits), HasSubstr("bytes"));
}

// A PNG of 60000 x 60000 whose data could never fill it is refused before 3.6 GB are allocated.
TEST(RasterTest, RefusesSizesThatTheDataCannotHold) {
  const test::TemporaryFolder folder;
  auto jpeg = read_test_file(data_path("images/gray.jpg"));
  for (std::size_t i = 0; i + 8 < jpeg.size(); ++i) {
    if (jpeg[i] == std::byte{0xff} && jpeg[i + 1] == std::byte{0xc0}) {
      for (std::size_t k = 5; k < 9; ++k) jpeg[i + k] = std::byte{0xea};
      break;
    }
  }
  test::write_test_file(folder.path("large.jpg"), jpeg);
  SALUS_EXPECT_ERROR(read_image(folder.path("large.jpg")), HasSubstr("claims more pixels"));
}

// Puts right checksums to the chunks of a mutated PNG as far as its lengths make sense, so that the
// mutations reach the decoder.
void repair_png(test::Bytes& bytes) {
  for (std::size_t at = 8; bytes.size() >= 12 && at <= bytes.size() - 12;) {
    const std::size_t length = load_be<std::uint32_t>(bytes, at);
    if (length > bytes.size() - at - 12) return;
    const auto* type = reinterpret_cast<const Bytef*>(bytes.data() + at + 4);
    const auto crc = static_cast<std::uint32_t>(crc32_z(0, type, length + 4));
    for (std::size_t i = 0; i < 4; ++i) {
      bytes[at + 8 + length + i] = static_cast<std::byte>(crc >> (24 - 8 * i));
    }
    at += 12 + length;
  }
}

// A golden PNG with its scanlines unpacked, changed and packed again.
test::Bytes change_scanlines(const test::Bytes& png,
                             const std::function<void(test::Bytes&)>& change) {
  const std::string_view text(reinterpret_cast<const char*>(png.data()), png.size());
  const std::size_t at = text.find("IDAT") - 4;
  const std::size_t length = load_be<std::uint32_t>(png, at);
  test::Bytes rows(1 << 16);
  uLongf size = rows.size();
  uncompress(reinterpret_cast<Bytef*>(rows.data()), &size,
             reinterpret_cast<const Bytef*>(png.data() + at + 8), length);
  rows.resize(size);
  change(rows);
  test::Bytes packed(compressBound(rows.size()));
  size = packed.size();
  compress(reinterpret_cast<Bytef*>(packed.data()), &size,
           reinterpret_cast<const Bytef*>(rows.data()), rows.size());
  packed.resize(size);
  test::Bytes out(png.begin(), png.begin() + static_cast<std::ptrdiff_t>(at));
  for (int i = 3; i >= 0; --i) out.push_back(static_cast<std::byte>(size >> (8 * i)));
  for (const char c : {'I', 'D', 'A', 'T'}) out.push_back(static_cast<std::byte>(c));
  out.insert(out.end(), packed.begin(), packed.end());
  out.insert(out.end(), png.begin() + static_cast<std::ptrdiff_t>(at + 8 + length), png.end());
  repair_png(out);
  return out;
}

// libjpeg and libpng would fill the rest with grey or black and say nothing.
TEST(RasterTest, RefusesACompleteFileWithMissingPixelData) {
  const test::TemporaryFolder folder;
  auto jpeg = read_test_file(data_path("images/gray.jpg"));
  jpeg.erase(jpeg.end() - 150, jpeg.end() - 2);  // the end marker stays
  test::write_test_file(folder.path("short.jpg"), jpeg);
  SALUS_EXPECT_ERROR(read_image(folder.path("short.jpg")), HasSubstr("cannot be decoded whole"));
}

TEST(RasterTest, RefusesAPngWithMissingRows) {
  const test::TemporaryFolder folder;
  const auto png = read_test_file(data_path("images/gray8.png"));
  const auto with_rows = [&](std::size_t bytes) {
    const auto changed = change_scanlines(png, [&](test::Bytes& rows) { rows.resize(bytes); });
    test::write_test_file(folder.path("a.png"), changed);
    return read_image(folder.path("a.png"));
  };
  EXPECT_NO_THROW(with_rows(29 * 38));
  SALUS_EXPECT_ERROR(with_rows(29 * 38 - 1), HasSubstr("damaged pixel data"));
  SALUS_EXPECT_ERROR(with_rows(10 * 38), HasSubstr("damaged pixel data"));
}

TEST(RasterTest, RefusesAFlippedBitInAPng) {
  const test::TemporaryFolder folder;
  auto png = read_test_file(data_path("images/gray8.png"));
  png[png.size() / 2] ^= std::byte{1};
  test::write_test_file(folder.path("flipped.png"), png);
  SALUS_EXPECT_ERROR(read_image(folder.path("flipped.png")), HasSubstr("checksum"));
}

TEST(RasterTest, OrientationOfExifDataThatLiesIsOne) {
  const std::vector<std::byte> junk(40, std::byte{0xff});
  EXPECT_EQ(exif_orientation(junk), 1);
  EXPECT_EQ(exif_orientation({}), 1);
  std::vector<std::byte> tiff(26, std::byte{0});
  tiff[0] = tiff[1] = std::byte{'I'};
  tiff[4] = std::byte{8};
  tiff[8] = std::byte{200};  // entries claimed, one there
  tiff[10] = std::byte{0x12};
  tiff[11] = std::byte{0x01};
  tiff[18] = std::byte{9};  // no orientation has this number
  EXPECT_EQ(exif_orientation(tiff), 1);
  tiff[18] = std::byte{8};
  EXPECT_EQ(exif_orientation(tiff), 8);
}

class RasterFuzzTest : public ::testing::TestWithParam<std::vector<const char*>> {};

TEST_P(RasterFuzzTest, NeverCrashesHangsOrFillsMemory) {
  std::vector<test::Bytes> seeds;
  for (const char* name : GetParam())
    seeds.push_back(read_test_file(data_path(std::string("images/") + name)));
  const std::string kind =
      std::string(GetParam()[0]).substr(std::string(GetParam()[0]).rfind('.') + 1);
  const auto make = [&](test::Rng& rng) {
    test::Bytes bytes = seeds[test::below(rng, seeds.size())];
    if (kind == "png" && test::below(rng, 3) == 0) {
      return change_scanlines(bytes, [&](test::Bytes& rows) { test::mutate(rows, rng); });
    }
    test::mutate(bytes, rng);
    if (kind == "png" && test::below(rng, 8) != 0) repair_png(bytes);
    return bytes;
  };
  const auto consume = [](const std::string& path) {
    const Image image = read_image(path);
    if (image.pixels.bytes->size() != image.pixels.frames * image.pixels.bytes_per_frame()) {
      throw std::logic_error("the pixels do not have the size they claim");
    }
  };
  const auto report = test::run_fuzz(kind, test::fuzz_options(), make, consume);
  EXPECT_TRUE(report.findings.empty()) << report.summary();
  EXPECT_GT(report.refused, 0);
  EXPECT_GT(report.accepted, 0);
}

INSTANTIATE_TEST_SUITE_P(
    Formats, RasterFuzzTest,
    ::testing::Values(std::vector{"gray8.png", "rgb16.png", "palette.png", "interlaced.png"},
                      std::vector{"gray.jpg", "rgb420.jpg", "progressive.jpg", "oriented.jpg"},
                      std::vector{"u8.tif", "f32_lzw.tif", "rgb_planar.tif", "tiled_u16.tif",
                                  "pages.tif", "jpeg.tif", "bigtiff.tif"}));

}  // namespace
}  // namespace salus::io
