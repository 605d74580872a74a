#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "engine/io/error.h"
#include "engine/io/vitals.h"
#include "tests/engine/io/tar_builder.h"
#include "tests/support/files.h"

namespace salus::io {
namespace {

using test::data_path;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

void expect_same(const VitalsTable& a, const VitalsTable& b) {
  EXPECT_EQ(a.ids, b.ids);
  EXPECT_EQ(a.patients, b.patients);
  EXPECT_EQ(a.variables, b.variables);
  EXPECT_EQ(a.offsets, b.offsets);
  EXPECT_EQ(a.time, b.time);
  EXPECT_EQ(a.variable, b.variable);
  EXPECT_EQ(a.value, b.value);
  EXPECT_EQ(a.static_names, b.static_names);
  EXPECT_EQ(a.step_offsets, b.step_offsets);
  EXPECT_EQ(a.step_time, b.step_time);
  EXPECT_EQ(a.step_labels, b.step_labels);
  EXPECT_EQ(a.counts, b.counts);
  ASSERT_EQ(a.statics.size(), b.statics.size());
  for (std::size_t i = 0; i < a.statics.size(); ++i) {
    EXPECT_TRUE(a.statics[i] == b.statics[i] ||
                (std::isnan(a.statics[i]) && std::isnan(b.statics[i])));
  }
}

std::string set_a() { return data_path("vitals/physionet2012/set-a"); }
std::string outcomes_a() { return data_path("vitals/physionet2012/Outcomes-a.txt"); }

/// Files of one stay each, written by the test.
class Physionet2012Test : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_.path(name), std::ios::binary) << text;
  }
  /// One stay of these rows.
  VitalsTable read(const std::string& rows, const VitalsOptions& options = {}) {
    write("7.txt", "Time,Parameter,Value\n" + rows);
    return read_physionet2012({folder_.path()}, {}, options);
  }
  test::TemporaryFolder folder_;
};

TEST_F(Physionet2012Test, ReadsEveryRowOfTheRealStays) {
  const VitalsTable table = read_physionet2012({set_a()}, {outcomes_a()});
  ASSERT_EQ(table.stays(), 24);
  EXPECT_TRUE(std::is_sorted(table.ids.begin(), table.ids.end()));
  EXPECT_EQ(table.patients, table.ids);
  // Each file again, line by line, as text.
  std::int64_t events = 0;
  for (std::int64_t n = 0; n < table.stays(); ++n) {
    std::ifstream file(set_a() + "/" + table.ids[n] + ".txt");
    std::string line;
    std::getline(file, line);
    std::int64_t e = table.offsets[n];
    while (std::getline(file, line)) {
      std::istringstream cells(line);
      std::string clock, name, value;
      std::getline(cells, clock, ',');
      std::getline(cells, name, ',');
      std::getline(cells, value);
      if (name == "RecordID" || name == "Age" || name == "Gender" || name == "Height" ||
          name == "ICUType" || (name == "Weight" && value == "-1")) {
        continue;
      }
      ASSERT_LT(e, table.offsets[n + 1]);
      EXPECT_EQ(table.variables[table.variable[e]].name, name);
      EXPECT_EQ(table.value[e], std::stof(value));
      EXPECT_DOUBLE_EQ(table.time[e], std::stoi(clock) + std::stoi(clock.substr(3)) / 60.0);
      ++e;
    }
    EXPECT_EQ(e, table.offsets[n + 1]) << table.ids[n];
    events += e - table.offsets[n];
  }
  EXPECT_EQ(events, static_cast<std::int64_t>(table.time.size()));
  EXPECT_EQ(table.counts.rows, events);
  EXPECT_EQ(table.counts.unsorted, 0);
}

TEST_F(Physionet2012Test, ReadsStaticsAndOutcomes) {
  const VitalsTable table = read_physionet2012({set_a()}, {outcomes_a()});
  EXPECT_EQ(table.static_names,
            (std::vector<std::string>{"Age", "Gender", "Height", "ICUType", "Weight"}));
  EXPECT_EQ(table.ids[0], "132539");
  EXPECT_EQ(table.statics[0], 54);
  EXPECT_EQ(table.statics[1], 0);
  EXPECT_TRUE(std::isnan(table.statics[2]));  // Height -1
  EXPECT_EQ(table.statics[3], 4);
  EXPECT_TRUE(std::isnan(table.statics[4]));  // Weight -1
  EXPECT_EQ(table.label_names, (std::vector<std::string>{"SAPS-I", "SOFA", "Length_of_stay",
                                                         "Survival", "In-hospital_death"}));
  EXPECT_EQ(table.labels[0], 6);
  EXPECT_TRUE(std::isnan(table.labels[3]));  // Survival -1
  EXPECT_EQ(table.labels[4], 0);
  EXPECT_EQ(table.counts.unlabelled, 0);
}

TEST_F(Physionet2012Test, KeepsStaysWithoutEvents) {
  const VitalsTable table = read_physionet2012({set_a()}, {outcomes_a()});
  const auto at = std::find(table.ids.begin(), table.ids.end(), "140501") - table.ids.begin();
  ASSERT_LT(at, table.stays());
  EXPECT_EQ(table.offsets[at], table.offsets[at + 1]);
  EXPECT_FALSE(std::isnan(table.statics[5 * at]));
  EXPECT_EQ(table.counts.empty_stays, 2);
}

TEST_F(Physionet2012Test, AnArchiveReadsAsItsFolderOnAnyNumberOfThreads) {
  VitalsOptions one;
  one.threads = 1;
  const VitalsTable folder = read_physionet2012({set_a()}, {}, one);
  for (const int threads : {1, 2, 5}) {
    VitalsOptions options;
    options.threads = threads;
    expect_same(read_physionet2012({set_a() + ".tar.gz"}, {}, options), folder);
    expect_same(read_physionet2012({set_a()}, {}, options), folder);
  }
}

TEST_F(Physionet2012Test, OrderInsideOfAnArchiveDoesNotMatter) {
  const auto stay = [](const char* id, const char* rows) {
    return test::tar_file(std::string("set/") + id + ".txt",
                          std::string("Time,Parameter,Value\n00:00,RecordID,") + id + "\n" + rows);
  };
  const std::string a = stay("1", "00:01,HR,1\n"), b = stay("2", "00:01,pH,2\n");
  const std::string hidden = test::tar_file("set/._1.txt", "Mac OS X");
  test::write_test_file(folder_.path("x.tar"), test::bytes_of(b + hidden + a + test::tar_end()));
  test::write_test_file(folder_.path("y.tar"), test::bytes_of(a + b + test::tar_end()));
  const VitalsTable table = read_physionet2012({folder_.path("x.tar")}, {});
  EXPECT_EQ(table.ids, (std::vector<std::string>{"1", "2"}));
  expect_same(table, read_physionet2012({folder_.path("y.tar")}, {}));
}

TEST_F(Physionet2012Test, SourcesFollowOneAnotherAndIdsAreUnique) {
  write("9.txt", "Time,Parameter,Value\n00:00,RecordID,9\n01:00,HR,70\n");
  const VitalsTable table = read_physionet2012({set_a() + ".tar.gz", folder_.path()}, {});
  EXPECT_EQ(table.stays(), 25);
  EXPECT_EQ(table.ids.back(), "9");
  SALUS_EXPECT_ERROR(read_physionet2012({set_a(), set_a() + ".tar.gz"}, {}),
                     AllOf(HasSubstr("Two stays have the id \"132539\""),
                           HasSubstr(set_a() + "/132539.txt and " + set_a() + ".tar.gz:")));
}

TEST_F(Physionet2012Test, TheFileOfAStayIsASourceOfItsOwn) {
  const VitalsTable table =
      read_physionet2012({set_a() + "/132540.txt", set_a() + "/132539.txt"}, {outcomes_a()});
  EXPECT_EQ(table.ids, (std::vector<std::string>{"132540", "132539"}));
  EXPECT_EQ(table.labels.size(), 10u);
  EXPECT_EQ(table.counts.unlabelled, 0);
}

TEST_F(Physionet2012Test, TheFirstWeightIsStaticAndEveryOneAnEvent) {
  const VitalsTable table =
      read("00:00,RecordID,7\n00:00,Weight,80\n05:00,Weight,81\n06:00,Weight,-1\n");
  EXPECT_EQ(table.statics[4], 80);
  EXPECT_EQ(table.value, (std::vector<float>{80, 81}));
  EXPECT_EQ(table.counts.missing, 1);
  EXPECT_TRUE(std::isnan(read("00:00,Weight,-1\n00:30,Weight,70\n").statics[4]));
}

TEST_F(Physionet2012Test, TheWeightAtTime0IsStaticWhereverInTheFileItStands) {
  const VitalsTable late = read("05:00,Weight,81\n00:00,RecordID,7\n00:00,Weight,80\n");
  EXPECT_EQ(late.statics[4], 80);
  EXPECT_EQ(late.value, (std::vector<float>{80, 81}));
  EXPECT_EQ(read("00:00,Weight,80\n00:00,Weight,79\n").statics[4], 80);
  EXPECT_EQ(read("06:00,Weight,-1\n00:00,Weight,80\n").statics[4], 80);
  EXPECT_TRUE(std::isnan(read("00:01,Weight,80\n").statics[4]));
}

TEST_F(Physionet2012Test, CountsWhatItLeavesOut) {
  const VitalsTable table = read("00:10,HR,\n00:11,HR,NaN\n00:12,,5\n00:13,HR,1.25e+02\n\n");
  EXPECT_EQ(table.value, (std::vector<float>{125}));
  EXPECT_EQ(table.counts.missing, 2);
  EXPECT_EQ(table.counts.nameless, 1);
  EXPECT_EQ(table.counts.rows, 1);
  EXPECT_EQ(table.ids[0], "7");  // the file's name where no RecordID is stated
}

TEST_F(Physionet2012Test, WindowsLineEndsAndMarksAreRead) {
  write("7.txt", "\xef\xbb\xbfTime,Parameter,Value\r\n01:30,HR,70\r\n02:00,HR,71");
  const VitalsTable table = read_physionet2012({folder_.path()}, {});
  EXPECT_EQ(table.time, (std::vector<double>{1.5, 2}));
}

TEST_F(Physionet2012Test, UnsortedRowsAreSortedDroppedOrRefused) {
  const std::string rows = "02:00,HR,1\n01:00,HR,2\n01:00,pH,3\n03:00,HR,4\n";
  VitalsOptions options;
  const VitalsTable sorted = read(rows, options);
  EXPECT_EQ(sorted.value, (std::vector<float>{2, 3, 1, 4}));
  EXPECT_EQ(sorted.counts.unsorted, 2);
  options.unsorted = RowPolicy::kDrop;
  const VitalsTable dropped = read(rows, options);
  EXPECT_EQ(dropped.value, (std::vector<float>{1, 4}));
  EXPECT_EQ(dropped.counts.unsorted, 2);
  options.unsorted = RowPolicy::kRefuse;
  SALUS_EXPECT_ERROR(read(rows, options), AllOf(HasSubstr("7.txt line 3"), HasSubstr("unsorted")));
}

TEST_F(Physionet2012Test, DuplicatesAreKeptReplacedOrRefused) {
  const std::string rows = "01:00,HR,1\n01:00,pH,2\n01:00,HR,3\n01:00,HR,4\n02:00,HR,4\n";
  VitalsOptions options;
  const VitalsTable kept = read(rows, options);
  EXPECT_EQ(kept.value, (std::vector<float>{1, 2, 3, 4, 4}));
  EXPECT_EQ(kept.counts.duplicates, 2);
  options.duplicates = RowPolicy::kDrop;
  const VitalsTable last = read(rows, options);
  EXPECT_EQ(last.value, (std::vector<float>{2, 4, 4}));
  EXPECT_EQ(last.counts.duplicates, 2);
  options.duplicates = RowPolicy::kRefuse;
  SALUS_EXPECT_ERROR(read(rows, options),
                     AllOf(HasSubstr("7.txt line 4"), HasSubstr("duplicates")));
}

TEST_F(Physionet2012Test, FutureRowsAreDroppedKeptOrRefused) {
  const std::string rows = "01:00,HR,1\n48:00,HR,2\n48:01,HR,3\n50:00,HR,4\n";
  VitalsOptions options;
  EXPECT_EQ(read(rows, options).counts.future, 0);
  options.latest = 48;
  const VitalsTable dropped = read(rows, options);
  EXPECT_EQ(dropped.value, (std::vector<float>{1, 2}));
  EXPECT_EQ(dropped.counts.future, 2);
  options.future = RowPolicy::kAccept;
  EXPECT_EQ(read(rows, options).value.size(), 4u);
  EXPECT_EQ(read(rows, options).counts.future, 2);
  options.future = RowPolicy::kRefuse;
  SALUS_EXPECT_ERROR(read(rows, options), AllOf(HasSubstr("7.txt line 4"), HasSubstr("future")));
}

TEST_F(Physionet2012Test, ErrorsNameFileLineAndColumn) {
  const auto refused = [&](const std::string& rows, const std::string& words) {
    SALUS_EXPECT_ERROR(read(rows), AllOf(HasSubstr("/7.txt"), HasSubstr(words)));
  };
  refused("01:00,HR,1\n1:0,HR,2\n", "line 3 column Time (1): \"1:0\" is not a time HH:MM");
  refused("01:60,HR,2\n", "line 2 column Time (1)");
  refused("-1:00,HR,2\n", "line 2 column Time (1)");
  refused("1234567:00,HR,2\n", "line 2 column Time (1)");
  refused("01:00,HR,80 bpm\n", "line 2 column Value (3): \"80 bpm\" is not a number");
  refused("01:00,HR,1e99\n", "line 2 column Value (3)");
  refused("01:00,HR,inf\n", "line 2 column Value (3)");
  refused("01:00,HR\n", "line 2 has not three cells");
  refused("01:00,HR,1,2\n", "line 2 has not three cells");
  write("7.txt", "time;parameter;value\n");
  SALUS_EXPECT_ERROR(read_physionet2012({folder_.path()}, {}),
                     HasSubstr("line 1 is not \"Time,Parameter,Value\""));
  write("7.txt", "");
  SALUS_EXPECT_ERROR(read_physionet2012({folder_.path()}, {}), HasSubstr("line 1"));
}

TEST_F(Physionet2012Test, TheFirstErrorInOrderIsReportedOnAnyNumberOfThreads) {
  for (int i = 10; i < 60; ++i) {
    write(std::to_string(i) + ".txt",
          std::string("Time,Parameter,Value\n") + (i > 30 ? "bad\n" : "01:00,HR,1\n"));
  }
  for (const int threads : {1, 4}) {
    VitalsOptions options;
    options.threads = threads;
    SALUS_EXPECT_ERROR(read_physionet2012({folder_.path()}, {}, options), HasSubstr("/31.txt"));
  }
}

TEST_F(Physionet2012Test, UnreadableFilesAreLeftOutAndToldInOrderWhereThatIsAsked) {
  for (int i = 10; i < 60; ++i) {
    write(std::to_string(i) + ".txt", std::string("Time,Parameter,Value\n01:00,RecordID,") +
                                          std::to_string(i) + "\n01:00,,\n01:00,HR," +
                                          (i == 20 || i == 33 ? "fast\n" : "60\n"));
  }
  write("40.txt", "\x1f\x8b no text");
  for (const int threads : {1, 4}) {
    std::vector<std::string> reasons;
    VitalsOptions options;
    options.threads = threads;
    options.unreadable = [&](const std::string& reason) { reasons.push_back(reason); };
    const VitalsTable table = read_physionet2012({folder_.path(), set_a()}, {}, options);
    EXPECT_EQ(table.stays(), 47 + 24);
    EXPECT_EQ(table.counts.unreadable, 3);
    EXPECT_THAT(table.ids, Not(Contains("33")));
    EXPECT_THAT(reasons, ElementsAre(AllOf(HasSubstr("/20.txt line 4"),
                                           HasSubstr("\"fast\" is not a number")),
                                     HasSubstr("/33.txt line 4"), HasSubstr("/40.txt line 1")));
  }
}

TEST_F(Physionet2012Test, WhatIsLeftOutIsNotCountedAmongTheRows) {
  write("8.txt", "Time,Parameter,Value\n00:00,HR,\n00:01,HR,60\n");
  const VitalsTable good = read_physionet2012({folder_.path()}, {});
  write("9.txt", "Time,Parameter,Value\n00:00,HR,\n00:01,HR,60\n00:02,HR,many\n");
  VitalsOptions options;
  options.unreadable = [](const std::string&) {};
  VitalsTable table = read_physionet2012({folder_.path()}, {}, options);
  EXPECT_EQ(table.counts.unreadable, 1);
  table.counts.unreadable = 0;
  EXPECT_EQ(table.counts, good.counts);
}

TEST_F(Physionet2012Test, MembersOfAnArchiveAreLeftOutToo) {
  const std::string good = test::tar_file("a/1.txt", "Time,Parameter,Value\n00:01,HR,1\n");
  const std::string bad = test::tar_file("a/2.txt", "Time,Parameter\n");
  const std::string archive = folder_.path("x.tar");
  test::write_test_file(archive, test::bytes_of(bad + good + test::tar_end()));
  std::vector<std::string> reasons;
  VitalsOptions options;
  options.unreadable = [&](const std::string& reason) { reasons.push_back(reason); };
  EXPECT_THAT(read_physionet2012({archive}, {}, options).ids, ElementsAre("1"));
  EXPECT_THAT(reasons, ElementsAre(HasSubstr("x.tar:a/2.txt line 1")));
  // What an archive that is damaged itself still holds is not to be trusted.
  test::write_test_file(archive, test::bytes_of(good + bad.substr(0, 520)));
  SALUS_EXPECT_ERROR(read_physionet2012({archive}, {}, options), HasSubstr("x.tar"));
}

TEST_F(Physionet2012Test, OfTwoStaysWithOneIdTheSecondMayBeLeftOut) {
  const std::string stay = "Time,Parameter,Value\n00:00,RecordID,7\n00:01,HR,60\n";
  write("1.txt", stay);
  write("2.txt", stay);
  SALUS_EXPECT_ERROR(read_physionet2012({folder_.path()}, {}), HasSubstr("\"7\""));
  std::vector<std::string> reasons;
  VitalsOptions options;
  options.unreadable = [&](const std::string& reason) { reasons.push_back(reason); };
  const VitalsTable table = read_physionet2012({folder_.path()}, {}, options);
  EXPECT_THAT(table.ids, ElementsAre("7"));
  EXPECT_THAT(reasons, ElementsAre(AllOf(HasSubstr("/2.txt: there"), HasSubstr("\"7\""),
                                         HasSubstr("/1.txt."))));
  EXPECT_EQ(table.counts.unreadable, 1);
}

TEST_F(Physionet2012Test, AllFilesMayBeLeftOut) {
  write("8.txt", "");
  int reasons = 0;
  VitalsOptions options;
  options.unreadable = [&](const std::string&) { ++reasons; };
  EXPECT_EQ(read_physionet2012({folder_.path()}, {}, options).stays(), 0);
  EXPECT_EQ(reasons, 1);
  SALUS_EXPECT_ERROR(read_physionet2012({folder_.path("none")}, {}, options), HasSubstr("none"));
}

TEST_F(Physionet2012Test, RefusesSourcesWithoutStays) {
  SALUS_EXPECT_ERROR(read_physionet2012({folder_.path()}, {}),
                     HasSubstr("holds no file named *.txt"));
  SALUS_EXPECT_ERROR(read_physionet2012({folder_.path("none")}, {}), HasSubstr("none"));
  SALUS_EXPECT_ERROR(read_physionet2012({outcomes_a()}, {}),
                     AllOf(HasSubstr("Outcomes-a.txt line 1"), HasSubstr("no stay of the")));
  SALUS_EXPECT_ERROR(read_physionet2012({data_path("vitals/physionet2019/p100001.psv")}, {}),
                     HasSubstr("is no tar archive"));
}

TEST_F(Physionet2012Test, OutcomesAreMatchedCountedOrRefused) {
  write("8.txt", "Time,Parameter,Value\n");
  write("o.csv", "RecordID,Death\n7,1\n99,0\n");
  write("7.txt", "Time,Parameter,Value\n01:00,HR,1\n");
  const auto labelled = [&](const std::string& name) {
    return read_physionet2012({folder_.path()}, {folder_.path(name)});
  };
  const VitalsTable table = labelled("o.csv");
  EXPECT_EQ(table.labels[0], 1);
  EXPECT_TRUE(std::isnan(table.labels[1]));
  EXPECT_EQ(table.counts.unlabelled, 1);
  EXPECT_EQ(table.counts.strangers, 1);
  write("p.csv", "RecordID,Death\n7,1\n7,0\n");
  SALUS_EXPECT_ERROR(labelled("p.csv"), AllOf(HasSubstr("p.csv line 3"), HasSubstr("second row")));
  write("p.csv", "RecordID,Death\n7,yes\n");
  SALUS_EXPECT_ERROR(labelled("p.csv"),
                     HasSubstr("p.csv line 2 column Death (2): \"yes\" is not a number"));
  VitalsOptions answers;
  answers.yes_no = {"Death"};
  write("p.csv", "RecordID,SOFA,Death\n7,9,-1\n8,9,2\n");
  SALUS_EXPECT_ERROR(read_physionet2012({folder_.path()}, {folder_.path("p.csv")}, answers),
                     HasSubstr("p.csv line 3 column Death (3): \"2\" is no answer"));
  write("p.csv", "id,Death\n7,1\n");
  SALUS_EXPECT_ERROR(labelled("p.csv"), HasSubstr("no column \"RecordID\""));
  write("p.csv", "RecordID,Alive\n8,1\n");
  SALUS_EXPECT_ERROR(
      read_physionet2012({folder_.path()}, {folder_.path("o.csv"), folder_.path("p.csv")}),
      HasSubstr("other columns"));
}

}  // namespace
}  // namespace salus::io
