// What is refused: every message names the file and says why with the numbers of the file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "engine/io/error.h"
#include "tests/support/dicom_files.h"

namespace salus::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

void expect_refused(const Bytes& bytes, const std::string& reason,
                    const io::ReadLimits& limits = {}) {
  const TemporaryFolder folder;
  const std::string path = folder.path("refused");
  write_test_file(path, bytes);
  SALUS_EXPECT_ERROR(io::read_dicom(path, limits), AllOf(HasSubstr(path), HasSubstr(reason)));
}

void expect_refused(const DicomBuilder& file, const std::string& reason) {
  expect_refused(file.build(), reason);
}

const std::vector<int> kSix = {1, 2, 3, 4, 5, 6};

TEST(DicomRefusalTest, RefusesWhatIsNotThere) {
  SALUS_EXPECT_ERROR(io::read_dicom("/no/such/file.dcm"), HasSubstr("/no/such/file.dcm"));
  SALUS_EXPECT_ERROR(io::read_dicom("/"), HasSubstr("not a regular file"));
  expect_refused(Bytes{}, "not a DICOM file");
  expect_refused(text_bytes(std::string(500, 'x')), "not a DICOM file");
  expect_refused(DicomBuilder(), "has no pixel data");
}

TEST(DicomRefusalTest, RefusesVideoAndUnknownSyntaxesByName) {
  for (const auto& [uid, name] :
       std::map<std::string, std::string>{{"1.2.840.10008.1.2.4.100", "MPEG2 Main Profile"},
                                          {"1.2.840.10008.1.2.4.102", "H.264"},
                                          {"1.2.840.10008.1.2.4.107", "HEVC"},
                                          {"1.2.840.10008.1.2.4.94", "JPIP"},
                                          {"1.2.840.10008.1.2.4.110", "JPEG XL"},
                                          {"1.2.3.4.5", "1.2.3.4.5 is not known"}}) {
    expect_refused(DicomBuilder(uid).pixels8(kSix), name);
  }
}

TEST(DicomRefusalTest, RefusesTruncatedPixelsWithBothNumbers) {
  Bytes file = DicomBuilder().pixels8(kSix).build();
  file.resize(file.size() - 2);
  expect_refused(file, "has 4 bytes of the 6 that it claims");
  const TemporaryFolder folder;
  write_test_file(folder.path("cut"), file);
  SALUS_EXPECT_ERROR(io::read_dicom_header(folder.path("cut")), HasSubstr("has 4 bytes"));
  expect_refused(DicomBuilder().size(2, 4).pixels8(kSix), "need 8");
  expect_refused(DicomBuilder().size(2, 3, 2).pixels8(kSix), "need 12");
}

TEST(DicomRefusalTest, RefusesLengthsThatTheFileDoesNotHold) {
  expect_refused(DicomBuilder().lying(0x00091001, "OB", 0x7FFFFFF0, {}).pixels8(kSix),
                 "(0009,1001) claims 2147483632 bytes where");
  expect_refused(DicomBuilder().lying(0x00091001, "LO", 0xFFF0, {}).pixels8(kSix),
                 "claims 65520 bytes");
}

TEST(DicomRefusalTest, RefusesBrokenNesting) {
  expect_refused(DicomBuilder().lying(0x00091010, "SQ", 0xFFFFFFFF, bytes_of({1, 2, 3, 4})),
                 "(0009,1010)");
  DicomBuilder deep = DicomBuilder().item().words(0x00280010, "US", {1});
  for (int i = 0; i < 70; ++i) deep = deep.item().sequence(0x00091010, {deep});
  expect_refused(DicomBuilder().sequence(0x00091010, {deep}).pixels8(kSix), "nest deeper than 64");
}

TEST(DicomRefusalTest, RefusesImpossibleImageModules) {
  const auto file = [] { return DicomBuilder().pixels8(kSix); };
  expect_refused(file().remove(0x00280010), "Rows (0028,0010) is missing");
  expect_refused(file().remove(0x00280100), "BitsAllocated (0028,0100) is missing");
  expect_refused(file().size(0, 3), "Rows (0028,0010) is 0");
  expect_refused(file().bits(64, 64, 63, false), "BitsAllocated (0028,0100) is 64");
  expect_refused(file().bits(8, 12, 11, false), "BitsStored (0028,0101) is 12");
  expect_refused(file().words(0x00280103, "US", {2}), "must be 0 or 1");
  expect_refused(file().words(0x00280002, "US", {4}), "Salus reads 1 or 3");
  expect_refused(file().words(0x00280002, "US", {3}), "is 3 but");
  expect_refused(file().text(0x00280004, "CS", "CMYK"), "'CMYK'");
  expect_refused(file().text(0x00280008, "IS", "-1"), "NumberOfFrames (0028,0008) is -1");
  expect_refused(file().text(0x00280008, "IS", "two"), "is not a number");
  expect_refused(file().text(0x00280008, "IS", "1.5"), "not a whole number");
  expect_refused(file().text(0x00281053, "DS", "steep"), "RescaleSlope (0028,1053)");
}

TEST(DicomRefusalTest, RefusesMoreThanTheLimitsBeforeAllocating) {
  const DicomBuilder file = DicomBuilder().size(65535, 65535, 2147483647).pixels8(kSix);
  expect_refused(file, "more than the limit of");
  io::ReadLimits small;
  small.max_pixel_bytes = 5;
  expect_refused(DicomBuilder().pixels8(kSix).build(), "more than the limit of 5 bytes", small);
  small = {};
  small.max_file_bytes = 20;
  expect_refused(DicomBuilder().pixels8(kSix).build(), "more than the limit of 20", small);
}

TEST(DicomRefusalTest, RefusesDeflatedBombsAndDamage) {
  io::ReadLimits small;
  small.max_pixel_bytes = 1 << 20;
  Bytes bomb = DicomBuilder(DicomBuilder::kDeflated)
                   .bytes(0x00091001, "OB", Bytes(70 << 20))
                   .pixels8(kSix)
                   .build();
  expect_refused(bomb, "deflated data set is larger than the limit", small);
  Bytes cut = DicomBuilder(DicomBuilder::kDeflated).pixels8(kSix).build();
  cut.resize(cut.size() - 10);
  expect_refused(cut, "deflated data set is damaged");
}

TEST(DicomRefusalTest, RefusesFragmentsThatDoNotFit) {
  const auto rle = [] { return DicomBuilder(DicomBuilder::kRle); };
  expect_refused(rle().pixels8(kSix).size(2, 4), "not encapsulated");
  expect_refused(rle().fragments({}), "hold no fragment");
  expect_refused(rle().size(2, 3, 3).fragments({bytes_of({1, 2})}), "have 1 fragments");
  expect_refused(rle().size(2, 3, 2).fragments({Bytes(10), Bytes(10), Bytes(10)}),
                 "3 fragments cannot be divided among 2 frames");
  Bytes cut = rle().fragments({Bytes(100)}, {}, false).build();
  cut.resize(cut.size() - 60);
  expect_refused(cut, "fragment 0 claims 100 bytes where 40 are left");
  expect_refused(rle().fragments({Bytes(10)}), "shorter than an RLE header");
}

TEST(DicomRefusalTest, RefusesJpegDataBeforeADecoderSeesThem) {
  const auto jpeg = [](const std::vector<int>& bytes) {
    return DicomBuilder(DicomBuilder::kJpegBaseline).fragments({bytes_of(bytes)});
  };
  expect_refused(jpeg({0xFF, 0xD8, 0xFF, 0xE0, 0, 0, 0, 0}), "has the length 0");
  expect_refused(jpeg({0xFF, 0xD8, 0xFF, 0xC0, 0, 11, 8, 0, 2, 0,  9, 1, 1,    0x11,
                       0,    0xFF, 0xDA, 0,    8, 1,  1, 0, 0, 63, 0, 0, 0xFF, 0xD9}),
                 "holds 2 x 9 pixels of 1 samples where the header says 2 x 3 of 1");
  expect_refused(jpeg({0xFF, 0xD8, 0xFF, 0xC9, 0, 11, 8, 0, 2, 0, 3, 1, 1, 0x11, 0, 0}),
                 "arithmetic coding");
}

/// A real JPEG frame of 100 x 100 YBR pixels.
Bytes jpeg_frame() {
  const Bytes file = read_test_file(data_path("dicom/odd/SC_rgb_jpeg_dcmtk.dcm"));
  const Bytes start = bytes_of({0xFF, 0xD8, 0xFF});
  const auto at = std::search(file.begin(), file.end(), start.begin(), start.end());
  return Bytes(at, file.end() - 8);  // without the sequence delimiter
}

TEST(DicomRefusalTest, InventsNoPixelOfDamagedJpegData) {
  const auto file = [](const Bytes& frame) {
    return DicomBuilder(DicomBuilder::kJpegBaseline)
        .size(100, 100)
        .colour("YBR_FULL")
        .fragments({frame});
  };
  const Bytes whole = jpeg_frame();
  EXPECT_EQ(read_built(file(whole)).pixels.columns, 100);
  Bytes cut(whole.begin(), whole.end() - 300);
  expect_refused(file(cut), "would be invented");
  cut.push_back(std::byte{0xFF});
  cut.push_back(std::byte{0xD9});
  expect_refused(file(cut), "would be invented");
  // Only the end marker missing: nothing is lost.
  Bytes open = whole;
  while (open.back() != std::byte{0xD9}) open.pop_back();
  open.resize(open.size() - 2);
  EXPECT_EQ(stored_values(read_built(file(open))), stored_values(read_built(file(whole))));
}

TEST(DicomRefusalTest, RefusesATruncatedCodestream) {
  for (const char* codec : {"JPLL", "JLSL", "J2KR", "RLE"}) {
    SCOPED_TRACE(codec);
    const Bytes file = read_test_file(data_path(std::string("dicom/codecs/CT1_") + codec + ".dcm"));
    for (const double part : {0.3, 0.9, 0.99}) {
      const TemporaryFolder folder;
      write_test_file(
          folder.path("cut"),
          Bytes(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(
                                                 static_cast<double>(file.size()) * part)));
      SALUS_EXPECT_ERROR(io::read_dicom(folder.path("cut")), HasSubstr("truncated"));
    }
  }
}

TEST(DicomRefusalTest, NamesNoPatient) {
  const TemporaryFolder folder;
  const std::string path = folder.path("f");
  write_test_file(path, DicomBuilder()
                            .text(0x00100010, "PN", "Secret^Name")
                            .text(0x00100020, "LO", "SecretId")
                            .size(9, 9)
                            .pixels8(kSix)
                            .build());
  SALUS_EXPECT_ERROR(io::read_dicom(path), testing::Not(HasSubstr("Secret")));
}

}  // namespace
}  // namespace salus::test
