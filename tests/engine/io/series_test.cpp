#include "engine/io/series.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "engine/io/error.h"
#include "tests/support/dicom_files.h"

namespace salus::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class SeriesTest : public testing::Test {
 protected:
  /// A slice at z of the series `uid` ("" = none), in a file called `name`.
  std::string slice(const std::string& name, const std::string& uid, double z = 0) {
    DicomBuilder builder;
    builder.size(1, 1)
        .text(0x00200032, "DS", "0\\0\\" + std::to_string(z))
        .text(0x00200037, "DS", "1\\0\\0\\0\\1\\0")
        .pixels8({static_cast<int>(z)});
    if (!uid.empty()) builder.text(0x0020000E, "UI", uid);
    const std::string path = folder_.path(name);
    fs::create_directories(fs::path(path).parent_path());
    write_test_file(path, builder.build());
    return path;
  }

  /// An Enhanced file whose frames lie at these heights; the value of each is its number.
  std::string placed_frames(const std::vector<double>& heights) {
    const DicomBuilder base = DicomBuilder().item();
    const auto group = [&](std::uint32_t macro, std::uint32_t tag, const std::string& value) {
      return base.item().sequence(macro, {base.item().text(tag, "DS", value)});
    };
    std::vector<DicomBuilder> frames;
    std::vector<int> values;
    for (const double z : heights) {
      frames.push_back(group(0x00209113, 0x00200032, "0\\0\\" + std::to_string(z)));
      values.push_back(static_cast<int>(values.size()));
    }
    const std::string path = folder_.path("enhanced");
    const auto count = static_cast<int>(heights.size());
    write_test_file(path,
                    DicomBuilder()
                        .size(1, 1, count)
                        .text(0x0020000E, "UI", "1.2")
                        .sequence(0x52009229, {group(0x00209116, 0x00200037, "1\\0\\0\\0\\1\\0")})
                        .sequence(0x52009230, frames)
                        .pixels8(values)
                        .build());
    return path;
  }

  TemporaryFolder folder_;
};

TEST_F(SeriesTest, EveryFileIsAnInputOfItsOwn) {
  const auto inputs = io::file_inputs({"a", "b"});
  ASSERT_EQ(inputs.size(), 2u);
  EXPECT_EQ(inputs[1].id, "b");
  EXPECT_THAT(inputs[1].files, ElementsAre("b"));
}

TEST_F(SeriesTest, FilesOfOneSeriesBecomeOneInputNamedByTheirFolder) {
  const std::string a = slice("one/a", "1.2", 1), b = slice("one/b", "1.2", 0);
  const std::string c = slice("two/c", "1.3", 0), d = slice("two/d", "1.3", 1);
  const auto inputs = io::series_inputs({a, c, b, d});
  ASSERT_EQ(inputs.size(), 2u);
  EXPECT_EQ(inputs[0].id, folder_.path("one"));
  EXPECT_THAT(inputs[0].files, ElementsAre(a, b));
  EXPECT_EQ(inputs[1].id, folder_.path("two"));
  const io::Volume volume = io::read_input(inputs[0]);
  EXPECT_THAT(stored_values(volume.image), ElementsAre(0, 1));
  EXPECT_THAT(volume.files, ElementsAre(b, a));
}

TEST_F(SeriesTest, TwoSeriesInOneFolderAreNamedByTheirFirstFiles) {
  const std::string a = slice("all/a", "1.2", 0), b = slice("all/b", "1.3", 0);
  const std::string c = slice("all/c", "1.2", 1), d = slice("all/d", "1.3", 1);
  const auto inputs = io::series_inputs({a, b, c, d});
  ASSERT_EQ(inputs.size(), 2u);
  EXPECT_EQ(inputs[0].id, a);
  EXPECT_EQ(inputs[1].id, b);
}

TEST_F(SeriesTest, FilesWithoutASeriesStandForThemselves) {
  const std::string a = slice("a", ""), b = slice("b", "");
  const std::string text = folder_.path("notes.txt");
  write_test_file(text, Bytes(10, std::byte{'x'}));
  const auto inputs = io::series_inputs({a, text, b, folder_.path("none")});
  ASSERT_EQ(inputs.size(), 4u);
  EXPECT_THAT(inputs[1].files, ElementsAre(text));
  EXPECT_TRUE(io::read_input(inputs[0]).files.empty());
  SALUS_EXPECT_ERROR(io::read_input(inputs[1]), HasSubstr("notes.txt"));
}

TEST_F(SeriesTest, PlacedFramesOfOneFileAreTheSlicesOfAVolume) {
  const std::string path = placed_frames({3, 0, 1.5});
  const auto inputs = io::series_inputs({path});
  const io::Volume volume = io::read_input(inputs[0]);
  EXPECT_THAT(stored_values(volume.image), ElementsAre(1, 2, 0));
  EXPECT_THAT(volume.frames, ElementsAre(1, 2, 0));
  EXPECT_EQ(volume.slice_spacing, 1.5);
  const io::Volume as_stored = io::read_input(io::file_inputs({path})[0]);
  EXPECT_THAT(stored_values(as_stored.image), ElementsAre(0, 1, 2));
  EXPECT_TRUE(as_stored.files.empty());
}

TEST_F(SeriesTest, IrregularFramesOfOneFileAreRefusedByTheirNumbers) {
  const auto inputs = io::series_inputs({placed_frames({0, 1, 2, 5})});
  SALUS_EXPECT_ERROR(io::read_input(inputs[0]),
                     testing::AllOf(HasSubstr("2 slices are missing"), HasSubstr("frame 3 of"),
                                    HasSubstr("frame 4 of")));
  EXPECT_EQ(io::read_input(inputs[0], io::allow_irregular({"missing"})).problems.size(), 1u);
}

TEST_F(SeriesTest, FramesWithoutPlacesAreReadAsTheyAre) {
  const std::string path = folder_.path("cine");
  write_test_file(path, DicomBuilder()
                            .size(1, 1, 3)
                            .text(0x0020000E, "UI", "1.2")
                            .text(0x00200032, "DS", "0\\0\\1")
                            .text(0x00200037, "DS", "1\\0\\0\\0\\1\\0")
                            .pixels8({5, 6, 7})
                            .build());
  const io::Volume volume = io::read_input(io::series_inputs({path})[0]);
  EXPECT_THAT(stored_values(volume.image), ElementsAre(5, 6, 7));
  EXPECT_TRUE(volume.files.empty());
}

TEST_F(SeriesTest, AllowsTheIrregularitiesThatAreNamed) {
  const auto options = io::allow_irregular({"missing", "tilt", "mixed"});
  EXPECT_TRUE(options.allow_missing && options.allow_tilt && options.allow_mixed);
  EXPECT_FALSE(options.allow_duplicates || options.allow_uneven);
  EXPECT_THROW(io::allow_irregular({"gaps"}), UsageError);
}

}  // namespace
}  // namespace salus::test
