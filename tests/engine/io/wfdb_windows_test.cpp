#include "engine/io/wfdb_windows.h"

#include <gmock/gmock.h>

#include <cmath>

#include "engine/io/error.h"
#include "tests/support/files.h"

namespace salus::io {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Ten seconds at 10 Hz with two rhythms and, out of order, three beats.
class WfdbWindowsTest : public ::testing::Test {
 protected:
  WfdbWindowsTest() {
    record_.name = "r";
    record_.frequency = 10;
    record_.length = 100;
    annotations_ = {mark(0, "+", "(N"),     mark(70, "V"),       mark(5, "N"),
                    mark(40, "+", "(AFIB"), mark(60, "+", "(N"), mark(95, "A")};
    windows_.labels = {{"ectopic", {"V", "A"}}, {"fibrillation", {"(AFIB"}}};
  }
  static WfdbAnnotation mark(std::int64_t sample, const std::string& symbol,
                             const std::string& text = "") {
    WfdbAnnotation mark;
    mark.sample = sample;
    mark.symbol = symbol;
    mark.text = text;
    return mark;
  }
  std::vector<WfdbWindow> cut() const { return cut_windows(record_, &annotations_, windows_); }
  static std::vector<std::int64_t> begins(const std::vector<WfdbWindow>& windows) {
    std::vector<std::int64_t> all;
    for (const auto& window : windows) all.push_back(window.begin);
    return all;
  }

  WfdbRecord record_;
  std::vector<WfdbAnnotation> annotations_;
  WfdbWindows windows_;
};

TEST_F(WfdbWindowsTest, FollowEachOtherToTheEndOfTheRecord) {
  windows_.length = 3;
  windows_.every = 3;
  const auto all = cut();
  EXPECT_THAT(begins(all), ElementsAre(0, 30, 60, 90));
  EXPECT_EQ(all[0].end, 30);
  EXPECT_EQ(all[3].end, 100) << "the last one is shorter, not lost";
  EXPECT_EQ(all[1].name, "30");
  windows_.every = 2;
  EXPECT_THAT(begins(cut()), ElementsAre(0, 20, 40, 60, 80)) << "80 reaches the end";
  windows_.length = 20;
  EXPECT_THAT(begins(cut()), ElementsAre(0)) << "a record that is shorter than a window is one";
}

TEST_F(WfdbWindowsTest, AMarkOrARhythmAnywhereInAWindowIsItsLabel) {
  windows_.length = windows_.every = 2;
  const auto all = cut();
  ASSERT_EQ(all.size(), 5u);
  EXPECT_THAT(all[0].labels, ElementsAre(0, 0));
  EXPECT_THAT(all[1].labels, ElementsAre(0, 0));
  EXPECT_THAT(all[2].labels, ElementsAre(0, 1)) << "40 to 60, where the rhythm ends";
  EXPECT_THAT(all[3].labels, ElementsAre(1, 0));
  EXPECT_THAT(all[4].labels, ElementsAre(1, 0));
}

TEST_F(WfdbWindowsTest, StandAroundAnnotationsInOrderOfTime) {
  windows_.before = 1;
  windows_.after = 0.5;
  windows_.at = {"N", "V", "A"};
  annotations_.push_back(mark(45, "N"));
  const auto all = cut();
  EXPECT_THAT(begins(all), ElementsAre(-5, 35, 60, 85));
  EXPECT_EQ(all[0].name, "5");
  EXPECT_EQ(all[0].end, 10);
  EXPECT_EQ(all[3].end, 100);
  EXPECT_THAT(all[0].labels, ElementsAre(0, 0));
  EXPECT_THAT(all[1].labels, ElementsAre(0, 1));
  EXPECT_THAT(all[2].labels, ElementsAre(1, 0)) << "its own mark; the rhythm is over at 60";
}

TEST_F(WfdbWindowsTest, TwoAnnotationsOfOneSampleAreTwoWindows) {
  windows_.after = 0.5;
  windows_.at = {"N", "V"};
  annotations_.push_back(mark(70, "N"));
  const auto all = cut();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[1].name, "70");
  EXPECT_EQ(all[2].name, "70.2");
  EXPECT_THAT(all[1].labels, ElementsAre(1, 0));
  EXPECT_THAT(all[2].labels, ElementsAre(0, 0)) << "of the annotation, not of the sample";
}

TEST_F(WfdbWindowsTest, AnnotationsBeyondTheRecordAreLeftOut) {
  windows_.after = 0.5;
  windows_.at = {"N"};
  annotations_.push_back(mark(100, "N"));
  EXPECT_THAT(begins(cut()), ElementsAre(5));
}

TEST_F(WfdbWindowsTest, WithoutAnnotationsLabelsAreNotKnown) {
  windows_.length = windows_.every = 5;
  const auto all = cut_windows(record_, nullptr, windows_);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_TRUE(std::isnan(all[0].labels[0]) && std::isnan(all[0].labels[1]));
  windows_.length = 0;
  windows_.after = 1;
  SALUS_EXPECT_ERROR(cut_windows(record_, nullptr, windows_), HasSubstr("r.atr"));
}

}  // namespace
}  // namespace salus::io
