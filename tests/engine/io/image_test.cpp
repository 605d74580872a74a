#include "engine/io/image.h"

#include <cstring>

#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/npy.h"
#include "tests/support/files.h"

namespace salus::io {
namespace {

using test::data_path;
using test::TemporaryFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(PixelTypeTest, SizesAndNamesAgree) {
  for (const PixelType type :
       {PixelType::kU8, PixelType::kI8, PixelType::kU16, PixelType::kI16, PixelType::kU32,
        PixelType::kI32, PixelType::kF32, PixelType::kF64}) {
    EXPECT_EQ(std::to_string(size_of(type)), std::string(numpy_name(type)).substr(2));
  }
}

TEST(ReadImageTest, KnowsTheFormatByContentNotByName) {
  const TemporaryFolder folder;
  const std::pair<const char*, const char*> files[] = {
      {"images/gray8.png", "PNG"}, {"images/gray.jpg", "JPEG"},
      {"images/u8.tif", "TIFF"},   {"images/bigtiff.tif", "TIFF"},
      {"images/u8.nii", "NIfTI"},  {"images/u16_nifti2.nii.gz", "NIfTI"},
      {"arrays/u1.npy", "NPY"}};
  for (const auto& [file, format] : files) {
    write_file(folder.path("IM0001"), read_file(data_path(file)));
    EXPECT_TRUE(is_image_file(folder.path("IM0001"))) << file;
    EXPECT_EQ(read_image(folder.path("IM0001")).format, format);
  }
}

TEST(ReadImageTest, RefusesWhatIsNoImageByName) {
  const TemporaryFolder folder;
  write_text(folder.path("a.png"), "file,label\n");
  EXPECT_FALSE(is_image_file(folder.path("a.png")));
  SALUS_EXPECT_ERROR(read_image(folder.path("a.png")),
                     AllOf(HasSubstr("a.png"), HasSubstr("NIfTI")));
  write_text(folder.path("empty"), "");
  EXPECT_FALSE(is_image_file(folder.path("empty")));
  SALUS_EXPECT_ERROR(read_image(folder.path("empty")), HasSubstr("is empty"));
  SALUS_EXPECT_ERROR(read_image(folder.path("none")), HasSubstr("No such file"));
  SALUS_EXPECT_ERROR(read_image(folder.path()), HasSubstr("folder"));
}

TEST(ReadImageTest, RefusesArchives) {
  const TemporaryFolder folder;
  EXPECT_FALSE(is_image_file(data_path("arrays/stored.npz")));
  SALUS_EXPECT_ERROR(read_image(data_path("arrays/stored.npz")), HasSubstr("NPZ"));
  write_text(folder.path("a.gz"), std::string("\x1f\x8b\x08\0junk", 8));
  SALUS_EXPECT_ERROR(read_image(folder.path("a.gz")), HasSubstr("gzipped, but not NIfTI"));
}

// Writes `count` zero bytes as an array of `shape` and reads it as an image.
Image read_array(const std::string& dtype, const std::vector<std::int64_t>& shape,
                 std::size_t count) {
  const TemporaryFolder folder;
  write_npy(folder.path("a.npy"), dtype, shape, std::vector<std::byte>(count));
  return read_image(folder.path("a.npy"));
}

TEST(NpyImageTest, AxesAreFramesRowsColumnsAndSamples) {
  const auto expect = [](const std::vector<std::int64_t>& shape,
                         const std::vector<std::int64_t>& as) {
    const Pixels p = read_array("|u1", shape, 120).pixels;
    EXPECT_EQ((std::vector<std::int64_t>{p.frames, p.rows, p.columns, p.samples}), as);
  };
  expect({10, 12}, {1, 10, 12, 1});
  expect({2, 5, 12}, {2, 5, 12, 1});
  expect({8, 5, 3}, {1, 8, 5, 3});
  expect({10, 12, 1}, {1, 10, 12, 1});
  expect({2, 4, 5, 3}, {2, 4, 5, 3});
}

TEST(NpyImageTest, RefusesOtherShapesAndTypes) {
  SALUS_EXPECT_ERROR(read_array("|u1", {24}, 24), HasSubstr("1 dimensions"));
  SALUS_EXPECT_ERROR(read_array("|u1", {2, 3, 2, 2}, 24), HasSubstr("4 dimensions"));
  SALUS_EXPECT_ERROR(read_array("<c8", {1, 3}, 24), HasSubstr("<c8"));
  SALUS_EXPECT_ERROR(read_array("|u1", {0, 4}, 0), HasSubstr("no pixels"));
}

TEST(NpyImageTest, WidensHalvesAndNarrowsWholeNumbers) {
  const TemporaryFolder folder;
  const std::int64_t fits[] = {-5, 1 << 30};
  write_npy(folder.path("a.npy"), "<i8", {1, 2}, std::as_bytes(std::span(fits)));
  const Image image = read_image(folder.path("a.npy"));
  EXPECT_EQ(image.pixels.type, PixelType::kI32);
  EXPECT_EQ(image.pixels.frame_as<std::int32_t>(0)[0], -5);
  EXPECT_EQ(image.pixels.frame_as<std::int32_t>(0)[1], 1 << 30);
  const std::int64_t beyond[] = {0, std::int64_t{1} << 31};
  write_npy(folder.path("b.npy"), "<i8", {1, 2}, std::as_bytes(std::span(beyond)));
  SALUS_EXPECT_ERROR(read_image(folder.path("b.npy")), HasSubstr("does not fit"));
  const std::uint16_t halves[] = {0x3c00, 0xc000};
  write_npy(folder.path("c.npy"), "<f2", {1, 2}, std::as_bytes(std::span(halves)));
  const Image floats = read_image(folder.path("c.npy"));
  EXPECT_EQ(floats.pixels.type, PixelType::kF32);
  EXPECT_EQ(floats.pixels.frame_as<float>(0)[1], -2.0f);
}

TEST(NpyImageTest, HeaderAloneIsReadAndATruncatedFileRefused) {
  const TemporaryFolder folder;
  const Image header = read_image_header(data_path("arrays/fortran.npy"));
  EXPECT_FALSE(header.pixels.bytes);
  EXPECT_EQ(header.pixels.frames, 2);
  auto bytes = read_file(data_path("arrays/fortran.npy"));
  bytes.resize(bytes.size() - 1);
  write_file(folder.path("a.npy"), bytes);
  SALUS_EXPECT_ERROR(read_image_header(folder.path("a.npy")), HasSubstr("truncated"));
}

}  // namespace
}  // namespace salus::io
