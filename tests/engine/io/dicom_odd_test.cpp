// Odd and broken files: each is read, or refused with a sentence that names the file and the
// reason.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>

#include "engine/io/error.h"
#include "tests/support/dicom_files.h"

namespace salus::test {
namespace {

namespace fs = std::filesystem;

/// Files that hold no image that could be read, with the reason that has to be given.
const std::map<std::string, std::string> kRefused = {
    {"ExplVR_LitEndNoMeta.dcm", "has no pixel data (Modality RTPLAN)"},
    {"JPEG2000-embedded-sequence-delimiter.dcm", "where the header says 1024 x 256"},
    {"badVR.dcm", "NumberOfFrames (0028,0008) is not a number"},
    {"meta_missing_tsyntax.dcm", "Rows (0028,0010) is missing"},
    {"no_meta.dcm", "is not a DICOM file"},
    {"priv_SQ.dcm", "has no pixel data"},
    {"reportsi_with_empty_number_tags.dcm", "has no pixel data (Modality SR)"},
    {"rtplan_truncated.dcm", "claims 976 bytes where 711 are left"},
    {"test-SR.dcm", "has no pixel data (Modality SR)"},
};

void check_folder(const fs::path& folder, int expected_files) {
  int files = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string path = entry.path(), name = entry.path().filename();
    if (!name.ends_with(".dcm")) continue;
    SCOPED_TRACE(name);
    ++files;
    const auto refused = kRefused.find(name);
    if (refused == kRefused.end()) {
      const io::Image image = io::read_dicom(path);
      EXPECT_EQ(image.pixels.bytes->size(),
                static_cast<std::size_t>(image.pixels.frames) * image.pixels.bytes_per_frame());
      continue;
    }
    SALUS_EXPECT_ERROR(io::read_dicom(path), testing::AllOf(testing::HasSubstr(path),
                                                            testing::HasSubstr(refused->second)));
  }
  EXPECT_EQ(files, expected_files);
}

TEST(DicomOddTest, ShippedFilesAreReadOrRefusedWithTheirReason) {
  check_folder(data_path("dicom/odd"), 44);
}

TEST(DicomOddTest, FullSetIsReadOrRefusedWithItsReason) {
  const char* data = std::getenv("SALUS_DATA");
  if (!data) {
    std::cout << "SALUS_DATA is not set: the full public set is skipped.\n";
    GTEST_SKIP();
  }
  check_folder(fs::path(data) / "dicom_odd", 46);
}

TEST(DicomOddTest, HeadersAgreeWithWholeFiles) {
  for (const auto& entry : fs::directory_iterator(data_path("dicom/odd"))) {
    const std::string path = entry.path();
    if (kRefused.contains(entry.path().filename())) continue;
    SCOPED_TRACE(path);
    const io::Image whole = io::read_dicom(path), header = io::read_dicom_header(path);
    EXPECT_EQ(header.pixels.bytes, nullptr);
    EXPECT_EQ(header.pixels.frames, whole.pixels.frames);
    EXPECT_EQ(header.pixels.type, whole.pixels.type);
    EXPECT_EQ(header.pixels.samples, whole.pixels.samples);
    EXPECT_EQ(header.gray.size(), whole.gray.size());
    EXPECT_EQ(header.photometric, whole.photometric);
  }
}

TEST(DicomOddTest, SaysWhatWasOdd) {
  const auto warnings = [](const char* name) {
    return io::read_dicom(data_path(std::string("dicom/odd/") + name)).warnings;
  };
  EXPECT_THAT(
      warnings("J2K_pixelrep_mismatch.dcm"),
      testing::Contains(testing::HasSubstr("unsigned but PixelRepresentation says signed")));
  EXPECT_THAT(warnings("MR_small_padded.dcm"),
              testing::Contains(testing::HasSubstr("128 bytes more than the pixels need")));
  EXPECT_THAT(warnings("OT-PAL-8-face.dcm"),
              testing::Contains(testing::HasSubstr("names no transfer syntax")));
  EXPECT_THAT(warnings("MR_small_RLE.dcm"), testing::IsEmpty());
}

}  // namespace
}  // namespace salus::test
