#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "engine/io/error.h"
#include "engine/io/vitals.h"
#include "tests/support/files.h"
#include "tests/support/fuzz.h"

namespace salus::io {
namespace {

using test::data_path;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// Files of one stay each, written by the test.
class Physionet2019Test : public ::testing::Test {
 protected:
  VitalsTable read(const std::string& text, const VitalsOptions& options = {}) {
    std::ofstream(folder_.path("p7.psv"), std::ios::binary) << text;
    return read_physionet2019({folder_.path()}, options);
  }
  test::TemporaryFolder folder_;
};

TEST_F(Physionet2019Test, ReadsEveryCellOfTheRealStays) {
  const VitalsTable table = read_physionet2019({data_path("vitals/physionet2019")});
  ASSERT_EQ(table.stays(), 16);
  EXPECT_EQ(table.step_label_names, (std::vector<std::string>{"SepsisLabel"}));
  EXPECT_EQ(table.variables.size(), 34u);
  int septic = 0;
  for (std::int64_t n = 0; n < table.stays(); ++n) {
    std::ifstream file(data_path("vitals/physionet2019/" + table.ids[n] + ".psv"));
    std::string line, cell;
    std::vector<std::string> names;
    std::getline(file, line);
    for (std::istringstream cells(line); std::getline(cells, cell, '|');) names.push_back(cell);
    std::int64_t e = table.offsets[n], step = table.step_offsets[n];
    double first_hour = -1;
    for (std::int64_t row = 0; std::getline(file, line); ++row, ++step) {
      std::map<std::string, std::string> stated;
      std::istringstream cells(line);
      for (const std::string& name : names) std::getline(cells, stated[name], '|');
      if (first_hour < 0) first_hour = std::stod(stated["ICULOS"]);
      EXPECT_EQ(table.step_time[step], std::stod(stated["ICULOS"]) - first_hour);
      EXPECT_EQ(table.step_labels[step], std::stof(stated["SepsisLabel"]));
      for (const char* name :
           {"Age", "Gender", "Unit1", "Unit2", "HospAdmTime", "ICULOS", "SepsisLabel"}) {
        stated.erase(name);
      }
      std::erase_if(stated, [](const auto& cell) { return cell.second == "NaN"; });
      // The cells of a row may stand in any order, but all of them must be there.
      for (std::size_t i = 0; i < stated.size(); ++i, ++e) {
        const std::string& name = table.variables[table.variable[e]].name;
        ASSERT_TRUE(stated.count(name)) << name;
        EXPECT_EQ(table.value[e], std::stof(stated[name]));
        EXPECT_EQ(table.time[e], table.step_time[step]);
      }
    }
    EXPECT_EQ(e, table.offsets[n + 1]);
    EXPECT_EQ(step, table.step_offsets[n + 1]);
    const auto from = table.step_labels.begin() + table.step_offsets[n];
    septic += std::count(from, table.step_labels.begin() + step, 1.0F) > 0;
  }
  EXPECT_EQ(septic, 5);
}

TEST_F(Physionet2019Test, TimeCountsFromTheFirstRow) {
  const VitalsTable table = read("HR|Age|ICULOS|SepsisLabel\n80|NaN|3|0\nNaN|61|4|0\n82|61|6|1\n");
  EXPECT_EQ(table.time, (std::vector<double>{0, 3}));
  EXPECT_EQ(table.step_time, (std::vector<double>{0, 1, 3}));
  EXPECT_EQ(table.step_labels, (std::vector<float>{0, 0, 1}));
  EXPECT_EQ(table.statics[0], 61);  // the first that is stated
  EXPECT_EQ(table.statics[5], 3);
  EXPECT_EQ(table.counts.missing, 1);
}

TEST_F(Physionet2019Test, StaysWithoutRowsAndWithoutLabelsAreKept) {
  const VitalsTable empty = read("HR|ICULOS|SepsisLabel\n");
  EXPECT_EQ(empty.ids, (std::vector<std::string>{"p7"}));
  EXPECT_EQ(empty.offsets, (std::vector<std::int64_t>{0, 0}));
  EXPECT_EQ(empty.step_offsets, (std::vector<std::int64_t>{0, 0}));
  EXPECT_EQ(empty.statics.size(), 6u);
  EXPECT_EQ(empty.counts.empty_stays, 1);
  const VitalsTable table = read("HR|ICULOS\n80|1\n");
  EXPECT_TRUE(std::isnan(table.step_labels[0]));
}

TEST_F(Physionet2019Test, TheFileOfAStayIsASourceOfItsOwn) {
  const std::string psv = data_path("vitals/physionet2019/p100001.psv");
  const VitalsTable one = read_physionet2019({psv});
  EXPECT_EQ(one.ids, (std::vector<std::string>{"p100001"}));
  const VitalsTable all = read_physionet2019({data_path("vitals/physionet2019")});
  ASSERT_EQ(all.ids[0], "p100001");
  EXPECT_EQ(one.value, std::vector<float>(all.value.begin(), all.value.begin() + all.offsets[1]));
  SALUS_EXPECT_ERROR(read_physionet2019({psv, psv}),
                     HasSubstr("Two stays have the id \"p100001\": " + psv + " and " + psv));
  SALUS_EXPECT_ERROR(read_physionet2019({folder_.path("none.psv")}), HasSubstr("none.psv"));
  int reasons = 0;
  VitalsOptions options;
  options.unreadable = [&](const std::string&) { ++reasons; };
  EXPECT_EQ(read_physionet2019({folder_.path("none.psv"), psv}, options).stays(), 1);
  EXPECT_EQ(reasons, 1);
}

TEST_F(Physionet2019Test, UnsortedRowsAreSortedDroppedOrRefusedWithTheirLabels) {
  const std::string rows = "HR|ICULOS|SepsisLabel\n1|5|0\nNaN|3|1\n3|4|0\n4|6|1\n";
  VitalsOptions options;
  const VitalsTable sorted = read(rows, options);
  EXPECT_EQ(sorted.time, (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(sorted.value, (std::vector<float>{3, 1, 4}));
  EXPECT_EQ(sorted.step_time, (std::vector<double>{0, 1, 2, 3}));
  EXPECT_EQ(sorted.step_labels, (std::vector<float>{1, 0, 0, 1}));
  EXPECT_EQ(sorted.statics[5], 3);
  EXPECT_EQ(sorted.counts.unsorted, 2);  // one of them without a value
  options.unsorted = RowPolicy::kDrop;
  const VitalsTable dropped = read(rows, options);
  EXPECT_EQ(dropped.time, (std::vector<double>{0, 1}));
  EXPECT_EQ(dropped.value, (std::vector<float>{1, 4}));
  EXPECT_EQ(dropped.step_labels, (std::vector<float>{0, 1}));
  EXPECT_EQ(dropped.statics[5], 5);
  EXPECT_EQ(dropped.counts.unsorted, 2);
  options.unsorted = RowPolicy::kRefuse;
  SALUS_EXPECT_ERROR(read("HR|ICULOS\n1|5\nNaN|3\n", options),
                     AllOf(HasSubstr("p7.psv line 3"), HasSubstr("set unsorted to")));
}

TEST_F(Physionet2019Test, OfRowsOfOneHourTheLastStatedLabelCounts) {
  const std::string rows =
      "HR|Temp|ICULOS|SepsisLabel\n1|NaN|2|0\n2|37|2|1\n3|NaN|3|1\nNaN|NaN|3|NaN\n";
  VitalsOptions options;
  const VitalsTable kept = read(rows, options);
  EXPECT_EQ(kept.value, (std::vector<float>{1, 2, 37, 3}));
  EXPECT_EQ(kept.step_time, (std::vector<double>{0, 1}));
  EXPECT_EQ(kept.step_labels, (std::vector<float>{1, 1}));
  EXPECT_EQ(kept.counts.duplicates, 2);  // a heart rate, and a row without a value
  options.duplicates = RowPolicy::kDrop;
  const VitalsTable last = read(rows, options);
  EXPECT_EQ(last.value, (std::vector<float>{2, 37, 3}));
  EXPECT_EQ(last.step_labels, (std::vector<float>{1, 1}));
  options.duplicates = RowPolicy::kRefuse;
  SALUS_EXPECT_ERROR(read("HR|ICULOS\n1|2\nNaN|2\n", options),
                     AllOf(HasSubstr("p7.psv line 3"), HasSubstr("set duplicates to")));
}

TEST_F(Physionet2019Test, FutureRowsTakeTheirLabelsWithThem) {
  VitalsOptions options;
  options.latest = 1;
  const VitalsTable table = read("HR|ICULOS|SepsisLabel\n1|1|0\n2|2|0\n3|3|1\n", options);
  EXPECT_EQ(table.counts.future, 1);
  EXPECT_EQ(table.step_labels.size(), 2u);
}

TEST_F(Physionet2019Test, FutureRowsWithoutValuesAreCountedAndRefusedToo) {
  const std::string rows = "HR|ICULOS|SepsisLabel\n1|1|0\nNaN|3|1\n";
  VitalsOptions options;
  options.latest = 1;
  EXPECT_EQ(read(rows, options).counts.future, 1);
  EXPECT_EQ(read(rows, options).step_labels.size(), 1u);
  options.future = RowPolicy::kAccept;
  EXPECT_EQ(read(rows, options).step_labels.size(), 2u);
  options.future = RowPolicy::kRefuse;
  SALUS_EXPECT_ERROR(read(rows, options),
                     AllOf(HasSubstr("p7.psv line 3"), HasSubstr("set future to")));
}

TEST_F(Physionet2019Test, ErrorsNameFileLineAndColumn) {
  const auto refused = [&](const std::string& text, const std::string& words) {
    SALUS_EXPECT_ERROR(read(text), AllOf(HasSubstr("/p7.psv"), HasSubstr(words)));
  };
  refused("", "is empty");
  refused("HR|Age\n1|2\n", "no column ICULOS");
  refused("HR|HR|ICULOS\n1|2|3\n", "two columns named \"HR\"");
  refused("HR|ICULOS\n1|2\n1|2|3\n", "line 3 has 3 cells where the header has 2");
  refused("HR|ICULOS\n1|1\nfast|2\n", "line 3 column HR (1): \"fast\" is not a number");
  refused("HR|ICULOS\n1|NaN\n", "line 2 column ICULOS (2)");
}

TEST_F(Physionet2019Test, ALabelThatIsNoAnswerIsNamedWhereAnswersAreAskedFor) {
  const std::string rows = "HR|SepsisLabel|ICULOS\n70|NaN|1\n70|2|2\n";
  EXPECT_EQ(read(rows).step_labels.back(), 2);
  VitalsOptions options;
  options.yes_no = {"SepsisLabel"};
  SALUS_EXPECT_ERROR(
      read(rows, options),
      AllOf(HasSubstr("p7.psv line 3 column SepsisLabel (2): 2"), HasSubstr("no answer")));
}

TEST(VitalsFuzzTest, StaysNeverCrashHangOrFillMemory) {
  const test::TemporaryFolder folder;
  std::filesystem::create_directory(folder.path("one"));
  const std::vector<std::pair<std::string, std::string>> seeds = {
      {"s.txt", data_path("vitals/physionet2012/set-a/132543.txt")},
      {"s.psv", data_path("vitals/physionet2019/p100001.psv")}};
  for (const auto& [name, seed] : seeds) {
    test::Bytes bytes = test::read_test_file(seed);
    bytes.resize(3000);
    while (bytes.back() != std::byte{'\n'}) bytes.pop_back();
    const auto make = [&](test::Rng& rng) {
      test::Bytes changed = bytes;
      test::mutate(changed, rng);
      return changed;
    };
    const auto consume = [&, name = name](const std::string& path) {
      test::write_test_file(folder.path("one/" + name), test::read_test_file(path));
      VitalsOptions options;
      options.threads = 1;
      name.ends_with(".txt") ? read_physionet2012({folder.path("one")}, {}, options)
                             : read_physionet2019({folder.path("one")}, options);
    };
    const auto report = test::run_fuzz("vitals", test::fuzz_options(), make, consume);
    EXPECT_TRUE(report.findings.empty()) << report.summary();
    EXPECT_GT(report.accepted, 0);
    EXPECT_GT(report.refused, 0);
  }
}

}  // namespace
}  // namespace salus::io
