#include <cmath>
#include <fstream>

#include "engine/io/error.h"
#include "engine/io/vitals.h"
#include "tests/support/files.h"
#include "tests/support/fuzz.h"

namespace salus::io {
namespace {

using test::data_path;
using ::testing::AllOf;
using ::testing::HasSubstr;

class LongTableTest : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_.path(name), std::ios::binary) << text;
    return folder_.path(name);
  }
  VitalsTable read(const std::string& events, const std::string& statics = "",
                   const std::string& labels = "", const VitalsOptions& options = {}) {
    LongTableFiles files;
    files.events = write("events.csv", events);
    if (!statics.empty()) files.statics = write("statics.csv", statics);
    if (!labels.empty()) files.labels = write("labels.csv", labels);
    return read_long_table(files, options);
  }
  test::TemporaryFolder folder_;
};

TEST_F(LongTableTest, GroupsRowsOfAnyOrderByStay) {
  const VitalsTable table = read(
      "variable,value,stay_id,time\n"
      "HR,80,b,0.5\nHR,70,a,2\npH,7.4,b,0.25\nHR,71,a,1\n");
  EXPECT_EQ(table.ids, (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(table.offsets, (std::vector<std::int64_t>{0, 2, 4}));
  EXPECT_EQ(table.time, (std::vector<double>{0.25, 0.5, 1, 2}));
  EXPECT_EQ(table.value, (std::vector<float>{7.4F, 80, 71, 70}));
  EXPECT_EQ(table.variables, (std::vector<VitalsVariable>{{"HR", ""}, {"pH", ""}}));
  EXPECT_EQ(table.variable, (std::vector<std::int32_t>{1, 0, 0, 0}));
  EXPECT_EQ(table.counts.unsorted, 2);
}

TEST_F(LongTableTest, UnitsTellVariablesApart) {
  const VitalsTable table = read(
      "stay_id,time,variable,value,unit\n1,0,Glucose,90,mg/dL\n1,1,Glucose,5,mmol/"
      "L\n1,2,Temp,37,\n");
  EXPECT_EQ(table.variables, (std::vector<VitalsVariable>{
                                 {"Glucose", "mg/dL"}, {"Glucose", "mmol/L"}, {"Temp", ""}}));
}

TEST_F(LongTableTest, StaticsGivePatientsAndEmptyStays) {
  const VitalsTable table = read("stay_id,time,variable,value\n1,0,HR,80\n3,0,HR,\n",
                                 "stay_id,age,patient_id,sex\n1,61,p9,0\n2,70,p9,NA\n");
  EXPECT_EQ(table.ids, (std::vector<std::string>{"1", "3", "2"}));
  EXPECT_EQ(table.patients, (std::vector<std::string>{"p9", "3", "p9"}));
  EXPECT_EQ(table.static_names, (std::vector<std::string>{"age", "sex"}));
  EXPECT_EQ(table.statics[0], 61);
  EXPECT_TRUE(std::isnan(table.statics[2]));  // stay 3 has no row
  EXPECT_EQ(table.statics[4], 70);
  EXPECT_TRUE(std::isnan(table.statics[5]));
  EXPECT_EQ(table.counts.empty_stays, 2);
  EXPECT_EQ(table.counts.missing, 1);
}

TEST_F(LongTableTest, LabelsArePerStayOrPerStep) {
  const std::string events = "stay_id,time,variable,value\n1,0,HR,80\n2,0,HR,81\n";
  const VitalsTable stays = read(events, "", "stay_id,death,icu_days\n2,1,4.5\n9,0,1\n");
  EXPECT_EQ(stays.label_names, (std::vector<std::string>{"death", "icu_days"}));
  EXPECT_TRUE(std::isnan(stays.labels[0]));
  EXPECT_EQ(stays.labels[3], 4.5F);
  EXPECT_EQ(stays.counts.unlabelled, 1);
  EXPECT_EQ(stays.counts.strangers, 1);
  const VitalsTable steps = read(events, "", "stay_id,time,sepsis\n1,0,0\n2,0,0\n1,1,1\n9,0,1\n");
  EXPECT_TRUE(steps.label_names.empty());
  EXPECT_EQ(steps.step_label_names, (std::vector<std::string>{"sepsis"}));
  EXPECT_EQ(steps.step_offsets, (std::vector<std::int64_t>{0, 2, 3}));
  EXPECT_EQ(steps.step_time, (std::vector<double>{0, 1, 0}));
  EXPECT_EQ(steps.step_labels, (std::vector<float>{0, 1, 0}));
  EXPECT_EQ(steps.counts.strangers, 1);
}

TEST_F(LongTableTest, ParquetReadsAsCsv) {
  LongTableFiles parquet;
  parquet.events = data_path("vitals/long/events.parquet");
  parquet.statics = data_path("vitals/long/statics.parquet");
  parquet.labels = data_path("vitals/long/labels.parquet");
  LongTableFiles csv;
  csv.events = data_path("vitals/long/events.csv");
  csv.statics = data_path("vitals/long/statics.csv");
  csv.labels = data_path("vitals/long/labels.csv");
  const VitalsTable a = read_long_table(parquet), b = read_long_table(csv);
  EXPECT_EQ(a.ids, b.ids);
  EXPECT_EQ(a.patients, b.patients);
  EXPECT_EQ(a.variables, b.variables);
  EXPECT_EQ(a.offsets, b.offsets);
  EXPECT_EQ(a.time, b.time);
  EXPECT_EQ(a.value, b.value);
  EXPECT_EQ(a.statics, b.statics);
  EXPECT_EQ(a.labels, b.labels);
  EXPECT_EQ(a.stays(), 3);
  EXPECT_EQ(a.time.size(), 5u);
}

TEST_F(LongTableTest, PoliciesHold) {
  const std::string events = "stay_id,time,variable,value\n1,2,HR,1\n1,2,HR,2\n1,9,HR,3\n";
  VitalsOptions options;
  options.duplicates = RowPolicy::kDrop;
  options.latest = 5;
  const std::string steps = "stay_id,time,y\n1,2,0\n1,9,1\n";
  const VitalsTable past = read(events, "", steps, options);
  EXPECT_EQ(past.value, (std::vector<float>{2}));
  EXPECT_EQ(past.step_labels, (std::vector<float>{0}));
  EXPECT_EQ(past.counts.future, 2);  // a measurement, and a row of labels
  options.duplicates = RowPolicy::kRefuse;
  SALUS_EXPECT_ERROR(read(events, "", "", options),
                     AllOf(HasSubstr("events.csv line 3"), HasSubstr("duplicates")));
}

TEST_F(LongTableTest, LabelsOfStepsFollowThePoliciesToo) {
  const std::string events = "stay_id,time,variable,value\n1,0,HR,80\n2,0,HR,81\n";
  const std::string rows = "stay_id,time,y,z\n1,2,0,1\n2,5,1,1\n1,1,0,0\n1,2,1,\n2,9,1,0\n";
  VitalsOptions options;
  const VitalsTable sorted = read(events, "", rows, options);
  EXPECT_EQ(sorted.step_offsets, (std::vector<std::int64_t>{0, 2, 4}));
  EXPECT_EQ(sorted.step_time, (std::vector<double>{1, 2, 5, 9}));
  EXPECT_EQ(sorted.step_labels, (std::vector<float>{0, 0, 1, 1, 1, 1, 1, 0}));
  EXPECT_EQ(sorted.counts.unsorted, 1);
  EXPECT_EQ(sorted.counts.duplicates, 1);
  options.unsorted = options.duplicates = RowPolicy::kDrop;
  const VitalsTable dropped = read(events, "", rows, options);
  EXPECT_EQ(dropped.step_time, (std::vector<double>{2, 5, 9}));
  options.unsorted = RowPolicy::kRefuse;
  SALUS_EXPECT_ERROR(read(events, "", rows, options),
                     AllOf(HasSubstr("labels.csv line 4"), HasSubstr("set unsorted to")));
  options.unsorted = RowPolicy::kAccept;
  options.duplicates = RowPolicy::kRefuse;
  SALUS_EXPECT_ERROR(read(events, "", rows, options),
                     AllOf(HasSubstr("labels.csv line 5"), HasSubstr("set duplicates to")));
  options.duplicates = RowPolicy::kAccept;
  options.future = RowPolicy::kRefuse;
  options.latest = 5;
  SALUS_EXPECT_ERROR(read(events, "", rows, options),
                     AllOf(HasSubstr("labels.csv line 6"), HasSubstr("set future to")));
}

TEST_F(LongTableTest, AStayOfStaticsAloneHasNoEventsAndNoSteps) {
  const VitalsTable table =
      read("stay_id,time,variable,value\n", "stay_id,age\n4,61\n", "stay_id,time,y\n");
  EXPECT_EQ(table.ids, (std::vector<std::string>{"4"}));
  EXPECT_EQ(table.offsets, (std::vector<std::int64_t>{0, 0}));
  EXPECT_EQ(table.step_offsets, (std::vector<std::int64_t>{0, 0}));
  EXPECT_EQ(table.statics, (std::vector<float>{61}));
}

TEST_F(LongTableTest, ErrorsNameFileLineAndColumn) {
  const std::string head = "stay_id,time,variable,value\n", good = head + "1,0,HR,80\n";
  SALUS_EXPECT_ERROR(read("stay_id,time,value\n"), HasSubstr("no column \"variable\""));
  SALUS_EXPECT_ERROR(read(head + "1,0,HR,80\n\n1,0,HR,high\n"),
                     HasSubstr("events.csv line 4 column value (4): \"high\" is not a number"));
  SALUS_EXPECT_ERROR(read(head + "1,noon,HR,80\n"),
                     HasSubstr("line 2 column time (2): \"noon\" is not a time in hours"));
  SALUS_EXPECT_ERROR(read(head + "1,inf,HR,80\n"), HasSubstr("column time (2)"));
  SALUS_EXPECT_ERROR(read(head + ",0,HR,80\n"), HasSubstr("line 2 column stay_id (1)"));
  SALUS_EXPECT_ERROR(read(good, "stay_id,sex\n1,F\n"),
                     HasSubstr("statics.csv line 2 column sex (2): \"F\" is not a number"));
  SALUS_EXPECT_ERROR(read(good, "stay_id,sex\n1,0\n1,0\n"),
                     AllOf(HasSubstr("statics.csv line 3"), HasSubstr("second row")));
  SALUS_EXPECT_ERROR(read(good, "id,sex\n1,0\n"), HasSubstr("no column \"stay_id\""));
  SALUS_EXPECT_ERROR(read(good, "stay_id,sex\n,0\n"), HasSubstr("names no stay"));
  SALUS_EXPECT_ERROR(read(good, "", "stay_id,time,y\n1,2,0\n1,soon,0\n"),
                     AllOf(HasSubstr("labels.csv line 3"), HasSubstr("not a time in hours")));
  SALUS_EXPECT_ERROR(read(good, "", "stay_id,y\n1,2\n1,1\n"), HasSubstr("second row"));
  EXPECT_EQ(read(head + "1,0,,80\n").counts.nameless, 1);
}

TEST_F(LongTableTest, TrueAndFalseAreNumbersInAnyCase) {
  const std::string events = "stay_id,time,variable,value\n1,0,HR,80\n2,0,HR,80\n3,0,HR,80\n";
  const VitalsTable table =
      read(events, "stay_id,male\n1,TRUE\n", "stay_id,died\n1,True\n2,false\n3,\n");
  EXPECT_EQ(table.statics[0], 1);
  EXPECT_EQ(table.labels[0], 1);
  EXPECT_EQ(table.labels[1], 0);
  EXPECT_TRUE(std::isnan(table.labels[2]));
  SALUS_EXPECT_ERROR(read(events, "", "stay_id,died\n1,truely\n"), HasSubstr("\"truely\""));
}

TEST_F(LongTableTest, ALabelThatIsNoAnswerIsNamedWhereAnswersAreAskedFor) {
  const std::string events = "stay_id,time,variable,value\n1,0,HR,80\n2,0,HR,80\n";
  VitalsOptions options;
  options.yes_no = {"died"};
  const auto good = read(events, "", "stay_id,sofa,died\n1,7,1.0\n2,2,false\n", options);
  EXPECT_EQ(good.labels, (std::vector<float>{7, 1, 2, 0}));
  SALUS_EXPECT_ERROR(read(events, "", "stay_id,sofa,died\n1,7,1\n2,2,2\n", options),
                     HasSubstr("labels.csv line 3 column died (3): \"2\" is no answer"));
  SALUS_EXPECT_ERROR(read(events, "", "stay_id,time,died\n1,0,0\n1,1,0.5\n", options),
                     HasSubstr("labels.csv line 3 column died (3): \"0.5\" is no answer"));
}

TEST(LongTableFuzzTest, NeverCrashesHangsOrFillsMemory) {
  const test::Bytes seed = test::read_test_file(data_path("vitals/long/events.csv"));
  const auto make = [&](test::Rng& rng) {
    test::Bytes bytes = seed;
    test::mutate(bytes, rng);
    return bytes;
  };
  const auto consume = [](const std::string& path) {
    LongTableFiles files;
    files.events = path;
    read_long_table(files);
  };
  const auto report = test::run_fuzz("long", test::fuzz_options(), make, consume);
  EXPECT_TRUE(report.findings.empty()) << report.summary();
  EXPECT_GT(report.accepted, 0);
  EXPECT_GT(report.refused, 0);
}

}  // namespace
}  // namespace salus::io
