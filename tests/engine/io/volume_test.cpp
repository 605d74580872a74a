#include "engine/io/volume.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "engine/io/error.h"
#include "tests/support/dicom_files.h"

namespace salus::test {
namespace {

using io::read_series;
using io::Volume;
using io::VolumeOptions;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// A slice at (x, 0, z) whose pixels are all `value`.
DicomBuilder slice(double z, int value, double x = 0) {
  return DicomBuilder()
      .size(1, 2)
      .text(0x0020000E, "UI", "1.2.3")
      .text(0x00200032, "DS", std::to_string(x) + "\\0\\" + std::to_string(z))
      .text(0x00200037, "DS", "1\\0\\0\\0\\1\\0")
      .text(0x00280030, "DS", "0.5\\0.5")
      .pixels8({value, value});
}

class VolumeTest : public testing::Test {
 protected:
  std::vector<std::string> write(const std::vector<DicomBuilder>& slices) {
    std::vector<std::string> paths;
    for (std::size_t i = 0; i < slices.size(); ++i) {
      paths.push_back(folder_.path("slice" + std::to_string(i)));
      write_test_file(paths.back(), slices[i].build());
    }
    return paths;
  }
  Volume read(const std::vector<DicomBuilder>& slices, const VolumeOptions& options = {}) {
    return read_series(write(slices), options);
  }

  TemporaryFolder folder_;
};

TEST_F(VolumeTest, SortsSlicesAlongTheNormal) {
  const Volume volume = read({slice(5, 3), slice(0, 1), slice(2.5, 2)});
  EXPECT_THAT(stored_values(volume.image), ElementsAre(1, 1, 2, 2, 3, 3));
  EXPECT_THAT(volume.files,
              ElementsAre(folder_.path("slice1"), folder_.path("slice2"), folder_.path("slice0")));
  EXPECT_EQ(volume.slice_spacing, 2.5);
  EXPECT_EQ(volume.image.pixels.frames, 3);
  EXPECT_EQ(volume.image.geometry[2]->origin[2], 5);
  EXPECT_THAT(volume.image.gray, SizeIs(1));
  EXPECT_THAT(volume.problems, IsEmpty());
}

TEST_F(VolumeTest, ReadsASingleSlice) {
  const Volume volume = read({slice(1, 9)});
  EXPECT_EQ(volume.slice_spacing, 0);
  EXPECT_EQ(volume.image.pixels.frames, 1);
}

TEST_F(VolumeTest, KeepsTheRescaleOfEachSlice) {
  const Volume volume = read({slice(0, 1), slice(1, 1).text(0x00281053, "DS", "3")});
  EXPECT_THAT(modality_doubles(volume.image), ElementsAre(1, 1, 3, 3));
}

TEST_F(VolumeTest, ReportsMissingSlicesAndReadsThemWhenAsked) {
  const std::vector<DicomBuilder> slices = {slice(0, 1), slice(1, 2), slice(2, 3), slice(5, 4)};
  SALUS_EXPECT_ERROR(read(slices), AllOf(HasSubstr("2 slices are missing between"),
                                         HasSubstr("slice3"), HasSubstr("Allow 'missing'")));
  VolumeOptions options;
  options.allow_missing = true;
  const Volume volume = read(slices, options);
  EXPECT_THAT(volume.problems, ElementsAre(HasSubstr("2 slices are missing")));
  EXPECT_EQ(volume.image.pixels.frames, 4);
}

TEST_F(VolumeTest, ReportsDuplicateSlices) {
  const std::vector<DicomBuilder> slices = {slice(0, 1), slice(1, 2), slice(1, 3), slice(2, 4)};
  SALUS_EXPECT_ERROR(read(slices), HasSubstr("Two slices lie at 1 mm"));
  VolumeOptions options;
  options.allow_duplicates = true;
  EXPECT_THAT(read(slices, options).problems, SizeIs(1));
}

TEST_F(VolumeTest, ReportsUnevenSteps) {
  const std::vector<DicomBuilder> slices = {slice(0, 1), slice(1, 2), slice(2.3, 3), slice(3.3, 4)};
  SALUS_EXPECT_ERROR(read(slices), HasSubstr("is 1.3 mm, usually 1 mm"));
  VolumeOptions options;
  options.allow_uneven = true;
  EXPECT_THAT(read(slices, options).problems, SizeIs(1));
  options = {};
  options.tolerance = 0.4;
  EXPECT_THAT(read(slices, options).problems, IsEmpty());
}

TEST_F(VolumeTest, ReportsAGantryTilt) {
  const std::vector<DicomBuilder> slices = {slice(0, 1, 0), slice(1, 2, 0.3), slice(2, 3, 0.6)};
  SALUS_EXPECT_ERROR(read(slices), HasSubstr("the gantry was tilted"));
  VolumeOptions options;
  options.allow_tilt = true;
  EXPECT_THAT(read(slices, options).problems, SizeIs(2));
}

TEST_F(VolumeTest, PositionsRoundedToTwoDecimalsAreEven) {
  std::vector<DicomBuilder> slices;
  for (int i = 0; i < 12; ++i) slices.push_back(slice(std::round(i * 33.33) / 100, i));
  const Volume volume = read(slices);
  EXPECT_THAT(volume.problems, IsEmpty());
  EXPECT_NEAR(volume.slice_spacing, 0.33, 1e-9);
  slices.push_back(slice(4.02, 12));
  SALUS_EXPECT_ERROR(read(slices), HasSubstr("Allow 'uneven'"));
}

TEST_F(VolumeTest, ATiltThatIsLostInTheRoundingOfEachStepIsSeenOverAll) {
  std::vector<DicomBuilder> slices;
  for (int i = 0; i < 20; ++i) slices.push_back(slice(i * 0.33, i, i * 0.01));
  SALUS_EXPECT_ERROR(read(slices),
                     AllOf(HasSubstr("slice0"), HasSubstr("slice19"), HasSubstr("Allow 'tilt'")));
}

TEST_F(VolumeTest, EachSliceKeepsItsOwnPadding) {
  const auto padded = [](double z, int value) {
    return slice(z, 0).pixels8({value, 9}).words(0x00280120, "US", {static_cast<uint16_t>(value)});
  };
  const Volume volume = read({padded(0, 1), padded(1, 2), slice(2, 1)});
  EXPECT_FALSE(volume.image.padding);
  EXPECT_THAT(volume.image.frame_padding,
              ElementsAre(io::PaddingRange{1, 1}, io::PaddingRange{2, 2}, std::nullopt));
  EXPECT_EQ(io::modality_values(volume.image).padding_count, 2);
  const Volume same = read({padded(0, 3), padded(1, 3)});
  EXPECT_EQ(same.image.padding, (io::PaddingRange{3, 3}));
  EXPECT_THAT(same.image.frame_padding, IsEmpty());
}

TEST_F(VolumeTest, TakesTheMostBitsOfAllSlices) {
  const Volume volume = read({slice(0, 1).bits(8, 5, 4, false), slice(1, 2).bits(8, 7, 6, false)});
  EXPECT_EQ(volume.image.bits_stored, 7);
}

TEST_F(VolumeTest, ReadsTheMostSlicesThatAgreeWhenAsked) {
  const std::vector<DicomBuilder> slices = {slice(1, 9).text(0x00200037, "DS", "0\\1\\0\\1\\0\\0"),
                                            slice(0, 1), slice(1, 2),
                                            slice(5, 8).text(0x00200052, "UI", "1.9")};
  SALUS_EXPECT_ERROR(read(slices), HasSubstr("allow 'mixed'"));
  VolumeOptions options;
  options.allow_mixed = true;
  const Volume volume = read(slices, options);
  EXPECT_THAT(volume.files, ElementsAre(folder_.path("slice1"), folder_.path("slice2")));
  EXPECT_THAT(volume.problems, ElementsAre(AllOf(HasSubstr("1 of 4 slices"), HasSubstr("slice0"),
                                                 HasSubstr("orientations differ")),
                                           AllOf(HasSubstr("1 of 4 slices"), HasSubstr("slice3"),
                                                 HasSubstr("different frames of reference"))));
  SALUS_EXPECT_ERROR(read({slice(0, 1), slice(1, 2).text(0x00100020, "LO", "other")}, options),
                     HasSubstr("different patients"));
}

TEST_F(VolumeTest, RefusesWhatIsNotOneSeries) {
  const auto refused = [&](const DicomBuilder& second, const std::string& why) {
    SALUS_EXPECT_ERROR(read({slice(0, 1), second}), AllOf(HasSubstr("slice1"), HasSubstr(why)));
  };
  refused(slice(1, 2).text(0x0020000E, "UI", "1.2.4"), "different series");
  refused(slice(1, 2).size(2, 1), "1 x 2 and 2 x 1 pixels");
  refused(slice(1, 2).text(0x00200037, "DS", "0\\1\\0\\1\\0\\0"), "orientations differ");
  refused(slice(1, 2).text(0x00280030, "DS", "0.6\\0.5"), "pixel spacings differ");
  refused(slice(1, 2).remove(0x00200032), "has no position and orientation");
  refused(slice(1, 2).text(0x00100020, "LO", "other"), "different patients");
  refused(slice(1, 2).text(0x00280004, "CS", "MONOCHROME1"), "photometric");
  refused(slice(1, 2).text(0x00080060, "CS", "MR"), "modality");
  refused(slice(1, 2).text(0x00200052, "UI", "1.9"), "different frames of reference");
  SALUS_EXPECT_ERROR(read_series({}), HasSubstr("No file was given"));
}

TEST_F(VolumeTest, CountsTheLimitOverAllFiles) {
  io::ReadLimits limits;
  limits.max_pixel_bytes = 5;
  SALUS_EXPECT_ERROR(read_series(write({slice(0, 1), slice(1, 2), slice(2, 3)}), {}, limits),
                     HasSubstr("limit"));
}

}  // namespace
}  // namespace salus::test
