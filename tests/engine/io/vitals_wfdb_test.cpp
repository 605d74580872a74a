#include "engine/io/vitals_wfdb.h"

#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "engine/io/error.h"
#include "engine/io/wfdb.h"
#include "tests/support/files.h"

namespace salus::io {
namespace {

using test::data_path;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class VitalsWfdbTest : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& bytes) {
    const std::filesystem::path path = folder_.path(name);
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
  }
  /// Two signals of four samples at 1 Hz, the third of the second invalid.
  void write_record(const std::string& name, const std::string& suffix = "") {
    const std::string stem = std::filesystem::path(name).filename().string();
    write(name + ".dat",
          std::string("\x50\x00\x90\x01\x51\x00\x91\x01\x52\x00\x00\x80\x53\x00\x93\x01", 16));
    write(name + ".hea", stem + " 2 1 4\n" + stem + ".dat 16 1/bpm 16 0 80 " + suffix + "\n" +
                             stem + ".dat 16 10(300)/mmHg 16 0 400 -31564 0 ABP\n");
  }
  VitalsTable read(const std::vector<std::string>& outcomes = {},
                   const VitalsOptions& options = {}) {
    return read_wfdb_stays({folder_.path("")}, outcomes, options);
  }
  std::string refusal(const std::vector<std::string>& sources) {
    try {
      read_wfdb_stays(sources, {});
    } catch (const Error& error) {
      return error.what();
    }
    return "(nothing thrown)";
  }
  test::TemporaryFolder folder_;
};

TEST_F(VitalsWfdbTest, ASampleIsAnEventAtItsTimeInItsUnit) {
  write_record("r", "326 0 HR");
  const auto table = read();
  EXPECT_THAT(table.ids, ElementsAre("r"));
  EXPECT_THAT(table.variables,
              ElementsAre(VitalsVariable{"ABP", "mmHg"}, VitalsVariable{"HR", "bpm"}));
  EXPECT_THAT(table.offsets, ElementsAre(0, 7));
  EXPECT_THAT(table.variable, ElementsAre(1, 0, 1, 0, 1, 1, 0));
  EXPECT_THAT(table.value, ElementsAre(80, 10, 81, 10.1F, 82, 83, 10.3F));
  EXPECT_THAT(table.time,
              ElementsAre(0, 0, 1 / 3600.0, 1 / 3600.0, 2 / 3600.0, 3 / 3600.0, 3 / 3600.0));
  EXPECT_EQ(table.counts.missing, 1);
  EXPECT_EQ(table.counts.rows, 7);
}

TEST_F(VitalsWfdbTest, AFolderHoldsRecordsAlsoInItsFolders) {
  write_record("p2/r", "326 0 HR");
  write_record("p1/r", "326 0 HR");
  write("labels.csv", "record,patient_id,death\np1/r,P9,1\np3/r,P9,0\n");
  const auto table = read({folder_.path("labels.csv")});
  EXPECT_THAT(table.ids, ElementsAre("p1/r", "p2/r"));
  EXPECT_THAT(table.patients, ElementsAre("P9", "p2/r"));
  EXPECT_THAT(table.label_names, ElementsAre("death"));
  EXPECT_EQ(table.labels[0], 1);
  EXPECT_TRUE(std::isnan(table.labels[1]));
  EXPECT_THAT(table.labelled, ElementsAre(true, false));
  EXPECT_EQ(table.counts.strangers, 1);
  EXPECT_THAT(refusal({folder_.path("p1/r"), folder_.path("p2/r.hea")}),
              AllOf(HasSubstr("Two records"), HasSubstr("\"r\""),
                    HasSubstr(folder_.path("p1/r.hea") + " and " + folder_.path("p2/r.hea"))));
  int reasons = 0;
  VitalsOptions options;
  options.unreadable = [&](const std::string&) { ++reasons; };
  EXPECT_THAT(read_wfdb_stays({folder_.path("p1/r"), folder_.path("p2/r")}, {}, options).ids,
              ElementsAre("r"));
  EXPECT_EQ(reasons, 1);
}

TEST_F(VitalsWfdbTest, ARecordWithoutSignalsIsAnEmptyStay) {
  write("z.hea", "z 0 360 1099511627776\n");
  const auto table = read();
  EXPECT_THAT(table.ids, ElementsAre("z"));
  EXPECT_THAT(table.offsets, ElementsAre(0, 0));
  EXPECT_EQ(table.counts.empty_stays, 1);
}

TEST_F(VitalsWfdbTest, ARecordThatIsLeftOutAddsNoVariableAndNoCount) {
  write_record("a", "326 0 HR");
  write("b.hea", "b 2 1 4\na.dat 16 1/bpm 16 0 80 326 0 Foo\na.dat 16\n");
  VitalsOptions options;
  options.unreadable = [](const std::string&) {};
  auto table = read({}, options);
  EXPECT_EQ(table.counts.unreadable, 1);
  EXPECT_THAT(table.variables,
              ElementsAre(VitalsVariable{"ABP", "mmHg"}, VitalsVariable{"HR", "bpm"}));
  EXPECT_EQ(table.counts.rows, 7);
}

TEST_F(VitalsWfdbTest, LaterSamplesThanTheLatestAreDropped) {
  write_record("r", "326 0 HR");
  VitalsOptions options;
  options.latest = 1 / 3600.0;
  const auto table = read({}, options);
  EXPECT_EQ(table.time.size(), 4U);
  EXPECT_EQ(table.counts.future, 3);
}

TEST_F(VitalsWfdbTest, ReadsTheSamplesOfARealRecord) {
  const auto table = read_wfdb_stays({data_path("vitals/wfdb")}, {});
  const auto record = read_wfdb(data_path("vitals/wfdb/100"));
  ASSERT_THAT(table.ids, ElementsAre("100", "100_16"));
  ASSERT_THAT(table.variables,
              ElementsAre(VitalsVariable{"MLII", "mV"}, VitalsVariable{"V5", "mV"}));
  ASSERT_EQ(table.offsets[1], 2 * record.length);
  for (std::size_t i : {0, 777, 21599}) {
    EXPECT_EQ(table.value[2 * i], record.signals[0].physical(i));
    EXPECT_EQ(table.value[2 * i + 1], record.signals[1].physical(i));
    EXPECT_DOUBLE_EQ(table.time[2 * i] * 3600, static_cast<double>(i) / 360);
  }
}

TEST_F(VitalsWfdbTest, AWindowIsAStayOfItsRecordsPatient) {
  write_record("p/r", "326 0 HR");
  write_record("p/s", "326 0 HR");
  // N at sample 1, V at sample 3.
  write("p/r.atr", std::string("\x01\x04\x02\x14\x00\x00", 6));
  write("labels.csv", "record,patient_id,death\np/r,P9,1\n");
  WfdbWindows windows;
  windows.length = windows.every = 2;
  windows.labels = {{"ectopic", {"V"}}};
  const auto table = read_wfdb_stays({folder_.path("")}, {folder_.path("labels.csv")}, {}, windows);
  EXPECT_THAT(table.ids, ElementsAre("p/r@0", "p/r@2", "p/s@0", "p/s@2"));
  EXPECT_THAT(table.patients, ElementsAre("P9", "P9", "p/s", "p/s"));
  EXPECT_THAT(table.offsets, ElementsAre(0, 4, 7, 11, 14));
  EXPECT_THAT(table.label_names, ElementsAre("death", "ectopic"));
  EXPECT_THAT(std::vector<float>(table.labels.begin(), table.labels.begin() + 4),
              ElementsAre(1, 0, 1, 1));
  EXPECT_TRUE(std::isnan(table.labels[4]) && std::isnan(table.labels[5]));
  EXPECT_THAT(table.labelled, ElementsAre(true, true, false, false));
  EXPECT_EQ(table.counts.unlabelled, 2);
  EXPECT_EQ(table.time[4], 0) << "from the beginning of the window";
  EXPECT_EQ(table.value[4], 82);
  windows.labels[0].name = "death";
  EXPECT_THROW(read_wfdb_stays({folder_.path("")}, {folder_.path("labels.csv")}, {}, windows),
               Error);
}

TEST_F(VitalsWfdbTest, AWindowAroundAnAnnotationKeepsItsTimeBeyondTheRecord) {
  write_record("r", "326 0 HR");
  write("r.atr", std::string("\x01\x04\x02\x14\x00\x00", 6));
  WfdbWindows windows;
  windows.before = windows.after = 2;
  windows.at = {"N", "V"};
  const auto table = read_wfdb_stays({folder_.path("r")}, {}, {}, windows);
  EXPECT_THAT(table.ids, ElementsAre("r@1", "r@3"));
  EXPECT_TRUE(table.label_names.empty());
  EXPECT_THAT(table.offsets, ElementsAre(0, 5, 10));
  EXPECT_DOUBLE_EQ(table.time[0] * 3600, 1) << "sample 0 is one second after -1";
  EXPECT_EQ(table.value[5], 81);
}

TEST_F(VitalsWfdbTest, SegmentsOfARecordInAFolderAreNoneOfTheirOwn) {
  write_record("p/a", "326 0 HR");
  write_record("p/b", "326 0 HR");
  write_record("q/b", "326 0 HR");
  write("p/l.hea", "l 2 1 0\n~ 0 1/bpm 16 0 0 0 0 HR\n~ 0 1/mmHg 16 0 0 0 0 ABP\n");
  write("p/r.hea", "r/4 2 1 11\nl 0\na 4\n~ 3\nb 4\n");
  const auto table = read();
  EXPECT_THAT(table.ids, ElementsAre("p/r", "q/b"));
  EXPECT_THAT(table.offsets, ElementsAre(0, 14, 21));
  EXPECT_EQ(table.counts.missing, 2 + 6 + 1);
  EXPECT_DOUBLE_EQ(table.time[7] * 3600, 7) << "the second segment begins after the gap";
  EXPECT_EQ(table.value[7], 80);
  EXPECT_THAT(read_wfdb_stays({folder_.path("p/b")}, {}).ids, ElementsAre("b"))
      << "but one can be read by its name";
}

TEST_F(VitalsWfdbTest, ARecordThatIsItsOwnSegmentIsNotLost) {
  write("r.hea", "r/1 2 1 4\nr 4\n");
  EXPECT_THAT(refusal({folder_.path("")}), HasSubstr("segments of segments"));
}

TEST_F(VitalsWfdbTest, ALongRecordIsTheSameInBlocks) {
  // 40,000 samples of two signals in format 16; each counts up, and every hundredth is invalid.
  std::string bytes;
  for (int i = 0; i < 40000; ++i) {
    for (const int value : {i % 100 == 0 ? -32768 : i - 20000, 7}) {
      bytes += static_cast<char>(value & 0xff);
      bytes += static_cast<char>(value >> 8 & 0xff);
    }
  }
  write("r.dat", bytes);
  write("r.hea", "r 2 100 40000\nr.dat 16 1 16 0 -32768 0 0 A\nr.dat 16 1 16 0 7 0 0 B\n");
  VitalsOptions options;
  options.latest = 390.0 / 3600;
  const auto table = read({}, options);
  EXPECT_EQ(table.counts.missing, 400);
  EXPECT_EQ(table.counts.rows, 79600);
  EXPECT_EQ(table.counts.future, 999 - 9 + 999);
  EXPECT_EQ(table.counts.empty_stays, 0);
  ASSERT_THAT(table.offsets, ElementsAre(0, 79600 - table.counts.future));
  std::size_t e = 0;
  for (int i = 0; i <= 39000; ++i) {
    for (std::int32_t v = i % 100 == 0; v < 2; ++v, ++e) {
      ASSERT_EQ(table.variable[e], v);
      ASSERT_EQ(table.value[e], v == 0 ? i - 20000 : 7);
      ASSERT_DOUBLE_EQ(table.time[e] * 3600, i / 100.0);
    }
  }
  EXPECT_EQ(e, table.time.size());
  options.latest = -1;
  EXPECT_EQ(read({}, options).counts.empty_stays, 1) << "one stay, not one a block";
}

TEST_F(VitalsWfdbTest, ARecordWithARefusedRowLeavesNothing) {
  write_record("a", "326 0 HR");
  write_record("c", "326 0 HR");
  write("b.hea", "b 2 1 4\na.dat 16 1/bpm 16 0 80 326 0 Foo\na.dat 16 1/bpm 16 0 400 0 0 Foo\n");
  VitalsOptions options;
  options.duplicates = RowPolicy::kRefuse;
  int reasons = 0;
  options.unreadable = [&](const std::string&) { ++reasons; };
  const auto table = read({}, options);
  EXPECT_EQ(reasons, 1);
  EXPECT_THAT(table.ids, ElementsAre("a", "c"));
  EXPECT_THAT(table.offsets, ElementsAre(0, 7, 14));
  EXPECT_EQ(table.time.size(), 14U);
  EXPECT_THAT(table.variables,
              ElementsAre(VitalsVariable{"ABP", "mmHg"}, VitalsVariable{"HR", "bpm"}));
  EXPECT_EQ(table.counts.duplicates, 0);
}

TEST_F(VitalsWfdbTest, ARecordThatCannotBeReadIsLeftOutIfAskedFor) {
  write_record("a", "326 0 HR");
  write_record("b", "326 0 HR");
  std::filesystem::remove(folder_.path("a.dat"));
  std::vector<std::string> reasons;
  VitalsOptions options;
  options.unreadable = [&](const std::string& reason) { reasons.push_back(reason); };
  const auto table = read({}, options);
  EXPECT_THAT(table.ids, ElementsAre("b"));
  EXPECT_THAT(table.patients, ElementsAre("b"));
  EXPECT_THAT(reasons, ElementsAre(HasSubstr("a.dat")));
  EXPECT_EQ(table.counts.unreadable, 1);
}

TEST_F(VitalsWfdbTest, RefusesWhatItCannotRead) {
  EXPECT_THAT(refusal({folder_.path("")}), HasSubstr("holds no WFDB header"));
  EXPECT_THAT(refusal({folder_.path("absent")}), HasSubstr("absent.hea"));
  write_record("r", "326 0 HR");
  std::filesystem::remove(folder_.path("r.dat"));
  EXPECT_THAT(refusal({folder_.path("")}), HasSubstr("r.dat"));
  write("r.hea", "r 1 1 4\nr.dat 516 1/bpm 16 0 80 326 0 HR\n");
  EXPECT_THAT(refusal({folder_.path("r")}), HasSubstr("format 516"));
  write("r.hea", "r 1 1 4\nr.dat 16 1/bpm\n");
  write("r.dat", std::string(8, '\0'));
  EXPECT_THAT(refusal({folder_.path("r")}), AllOf(HasSubstr("signal 0"), HasSubstr("description")));
}

}  // namespace
}  // namespace salus::io
