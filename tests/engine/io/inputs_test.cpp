#include "engine/io/inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "tests/support/files.h"

namespace salus::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class InputsTest : public testing::Test {
 protected:
  std::string file(const std::string& name) {
    const std::string path = folder_.path(name);
    fs::create_directories(fs::path(path).parent_path());
    write_test_file(path, {std::byte{1}});
    return path;
  }

  io::NamedFiles expand(const std::vector<std::string>& names, const std::string& list = "") {
    std::istringstream stream(list);
    return io::expand_inputs(names, stream);
  }

  TemporaryFolder folder_;
};

TEST_F(InputsTest, AFolderIsReadInNameOrderWithoutHiddenFiles) {
  const std::string b = file("in/b"), a = file("in/a/z");
  file("in/.hidden");
  file("in/.git/c");
  file("in/DICOMDIR");
  const auto named = expand({folder_.path("in")});
  EXPECT_THAT(named.files, ElementsAre(a, b));
  EXPECT_THAT(named.problems, IsEmpty());
}

TEST_F(InputsTest, WhatIsNotThereIsAProblemBesideTheOthers) {
  const std::string a = file("a.dcm");
  fs::create_directory(folder_.path("empty"));
  const auto named =
      expand({folder_.path("none.dcm"), a, folder_.path("empty"), folder_.path("*.png"), "-"}, "");
  EXPECT_THAT(named.files, ElementsAre(a));
  EXPECT_THAT(named.problems,
              ElementsAre(AllOf(HasSubstr("none.dcm"), HasSubstr("does not exist")),
                          HasSubstr("empty holds no files."), HasSubstr("*.png matches no file."),
                          "The list on standard input names no file."));
}

TEST_F(InputsTest, AListHoldsWhatTheCommandLineMay) {
  const std::string a = file("in/a.dcm"), b = file("in/b.dcm"), c = file("c.png");
  fs::create_directory(folder_.path("empty"));
  const auto named =
      expand({"-"}, c + "\r\n\n" + folder_.path("in/*.dcm") + "\n" + folder_.path("empty") + "\n" +
                        folder_.path("gone") + "\n" + folder_.path("in"));
  EXPECT_THAT(named.files, ElementsAre(c, a, b, a, b));
  EXPECT_THAT(named.problems, ElementsAre(HasSubstr("empty"), HasSubstr("gone")));
}

TEST_F(InputsTest, AListMayBeginWithAByteOrderMark) {
  const std::string a = file("a.dcm"), b = file("b.dcm");
  EXPECT_THAT(expand({"-"}, "\xef\xbb\xbf" + a + "\n" + b + "\n").files, ElementsAre(a, b));
  for (const char* nothing : {"", "\n\r\n", "\xef\xbb\xbf", "\xef\xbb\xbf\r\n"}) {
    EXPECT_THAT(expand({"-"}, nothing).problems,
                ElementsAre("The list on standard input names no file."));
  }
}

TEST_F(InputsTest, LinksAreFollowedToFilesAndReportedOtherwise) {
  const std::string a = file("out/a");
  fs::create_directory(folder_.path("in"));
  fs::create_symlink(a, folder_.path("in/link"));
  fs::create_symlink(folder_.path("none"), folder_.path("in/broken"));
  fs::create_symlink(folder_.path("out"), folder_.path("in/folder"));
  const auto named = expand({folder_.path("in")});
  EXPECT_THAT(named.files, ElementsAre(folder_.path("in/link")));
  EXPECT_THAT(named.problems,
              ElementsAre(AllOf(HasSubstr("in/broken"), HasSubstr("leads nowhere")),
                          AllOf(HasSubstr("in/folder"), HasSubstr("not followed"))));
  EXPECT_THAT(expand({folder_.path("in/folder")}).files, ElementsAre(folder_.path("in/folder/a")));
}

TEST_F(InputsTest, ABrokenLinkWhoseNameLooksLikeAPatternIsReported) {
  fs::create_symlink(folder_.path("none"), folder_.path("a*"));
  EXPECT_THAT(expand({folder_.path("a*")}).problems, ElementsAre(HasSubstr("leads nowhere")));
  EXPECT_THAT(expand({folder_.path("*")}).problems, ElementsAre(HasSubstr("leads nowhere")));
}

TEST_F(InputsTest, AFolderThatMayNotBeReadIsReported) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const std::string a = file("in/a");
  fs::create_directory(folder_.path("in/locked"));
  fs::permissions(folder_.path("in/locked"), fs::perms::none);
  const auto named = expand({folder_.path("in")});
  fs::permissions(folder_.path("in/locked"), fs::perms::owner_all);
  EXPECT_THAT(named.files, ElementsAre(a));
  EXPECT_THAT(named.problems,
              ElementsAre(AllOf(HasSubstr("in/locked"), HasSubstr("cannot be read"))));
}

}  // namespace
}  // namespace salus::test
