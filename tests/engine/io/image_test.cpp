#include "engine/io/image.h"

#include <cstring>

#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/npy.h"
#include "tests/engine/io/zip_builder.h"
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
  SALUS_EXPECT_ERROR(read_image(data_path("arrays/stored.npz")),
                     AllOf(HasSubstr("NPZ archive of 2 arrays (a, b)"), HasSubstr("manifest")));
  write_text(folder.path("a.gz"), std::string("\x1f\x8b\x08\0junk", 8));
  SALUS_EXPECT_ERROR(read_image(folder.path("a.gz")), HasSubstr("gzipped, but not NIfTI"));
}

TEST(ReadImageTest, TellsDicomFromOtherFiles) {
  EXPECT_TRUE(is_dicom_file(data_path("dicom/odd/MR_small_RLE.dcm")));
  for (const char* file :
       {"images/gray8.png", "images/u8.nii", "arrays/u1.npy", "arrays/stored.npz"}) {
    EXPECT_FALSE(is_dicom_file(data_path(file))) << file;
  }
  const TemporaryFolder folder;
  write_text(folder.path("empty"), "");
  EXPECT_FALSE(is_dicom_file(folder.path("empty")));
  SALUS_EXPECT_ERROR(is_dicom_file(folder.path("none")), HasSubstr("No such file"));
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

class NpzImageTest : public ::testing::Test {
 protected:
  /// An archive of files of these names, which all hold arrays/little_u2.npy.
  std::string archive(const std::vector<std::string>& names) {
    std::vector<std::pair<std::string, std::vector<std::byte>>> entries;
    for (const auto& name : names) entries.emplace_back(name, array_);
    write_file(folder_.path("a.npz"), test::stored_zip(entries));
    return folder_.path("a.npz");
  }

  const std::vector<std::byte> array_ = read_file(data_path("arrays/little_u2.npy"));
  TemporaryFolder folder_;
};

TEST_F(NpzImageTest, OneArrayIsTheImageThatItIsAsNpy) {
  const Image alone = read_image(data_path("arrays/little_u2.npy"));
  const Image image = read_image(archive({"scan.npy"}));
  EXPECT_EQ(image.format, "NPZ");
  EXPECT_EQ(image.pixels.type, alone.pixels.type);
  EXPECT_EQ(image.pixels.frames, alone.pixels.frames);
  EXPECT_EQ(image.pixels.rows, alone.pixels.rows);
  EXPECT_EQ(image.pixels.columns, alone.pixels.columns);
  EXPECT_EQ(*image.pixels.bytes, *alone.pixels.bytes);
  const Image header = read_image_header(folder_.path("a.npz"));
  EXPECT_FALSE(header.pixels.bytes);
  EXPECT_EQ(header.pixels.columns, alone.pixels.columns);
  EXPECT_FALSE(is_image_file(folder_.path("a.npz")));
}

TEST_F(NpzImageTest, SeveralArraysAreNamedTenAtMost) {
  SALUS_EXPECT_ERROR(read_image(archive({"x.npy", "y.npy"})),
                     AllOf(HasSubstr("a.npz"), HasSubstr("2 arrays (x, y),")));
  std::vector<std::string> names;
  for (int i = 0; i < 11; ++i) names.push_back(std::to_string(i) + ".npy");
  SALUS_EXPECT_ERROR(read_image(archive(names)), HasSubstr("11 arrays (0, 1, 2, 3, 4, 5, 6, 7, 8, "
                                                           "9, ...), not one image"));
}

TEST_F(NpzImageTest, AnArchiveOfOtherThingsIsNoImage) {
  for (const auto& names : std::vector<std::vector<std::string>>{
           {"scan.png"}, {"scan.npy", "notes.txt"}, {"word/document.xml"}}) {
    SALUS_EXPECT_ERROR(
        read_image(archive(names)),
        AllOf(HasSubstr("a.npz is a zip archive, not one image"), HasSubstr("unpack")));
  }
}

TEST_F(NpzImageTest, LimitsAndShapesAreThoseOfAnImage) {
  ReadLimits limits;
  limits.max_pixel_bytes = 47;  // of 2 x 3 x 4 values of two bytes
  SALUS_EXPECT_ERROR(read_image(archive({"scan.npy"}), limits), HasSubstr("a.npz"));
  limits.max_pixel_bytes = 48;
  EXPECT_EQ(read_image(archive({"scan.npy"}), limits).pixels.bytes->size(), 48u);
  const auto scalar = read_file(data_path("arrays/scalar.npy"));
  write_file(folder_.path("s.npz"), test::stored_zip({{"scan.npy", scalar}}));
  SALUS_EXPECT_ERROR(read_image(folder_.path("s.npz")), HasSubstr("0 dimensions"));
}

TEST_F(NpzImageTest, RefusesAChangedArray) {
  archive({"scan.npy"});
  auto bytes = read_file(folder_.path("a.npz"));
  bytes[30 + 8 + array_.size() - 1] ^= std::byte{1};  // behind the header and the name
  write_file(folder_.path("a.npz"), bytes);
  SALUS_EXPECT_ERROR(read_image(folder_.path("a.npz")), HasSubstr("checksum"));
}

}  // namespace
}  // namespace salus::io
