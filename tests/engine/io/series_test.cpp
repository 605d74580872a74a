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

TEST_F(SeriesTest, AllowsTheIrregularitiesThatAreNamed) {
  const auto options = io::allow_irregular({"missing", "tilt"});
  EXPECT_TRUE(options.allow_missing && options.allow_tilt);
  EXPECT_FALSE(options.allow_duplicates || options.allow_uneven);
  EXPECT_THROW(io::allow_irregular({"gaps"}), UsageError);
}

}  // namespace
}  // namespace salus::test
