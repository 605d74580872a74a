#include "engine/data/stay_remarks.h"

#include <gmock/gmock.h>

#include "tests/engine/data/stay_files.h"

namespace salus::data {
namespace {

using ::testing::HasSubstr;

io::VitalsTable table_of(const io::VitalsCounts& counts, std::size_t stays) {
  io::VitalsTable table;
  table.ids.resize(stays);
  table.counts = counts;
  return table;
}

TEST(StayRemarksTest, NamesWhatWasMetAndWhatBecameOfIt) {
  io::VitalsCounts counts;
  counts.rows = 1765303;
  counts.missing = 1;
  counts.duplicates = 12;
  counts.unsorted = 1;
  counts.future = 4000;
  counts.unlabelled = 5;
  MapCounts mapped;
  mapped.outside = {{"HR", 16}};
  mapped.statics_outside = {{"Age", 1}};
  mapped.unknown = {{"Bar", 10}, {"Foo", 300}};
  RowRules rules;
  rules.unsorted = io::RowPolicy::kDrop;
  EXPECT_EQ(
      stay_remarks(table_of(counts, 4000), mapped, rules),
      "Read 4,000 stays, 1,765,303 measurements and 1 missing value; 12 duplicate rows (kept), "
      "1 unsorted row (dropped), 4,000 future rows (dropped); 17 values outside of their "
      "plausible range (HR, Age); 2 unknown variables (Foo, Bar: 310 rows, dropped); 5 stays "
      "without a label.");
}

TEST(StayRemarksTest, NamesTheRestAndOfManyVariablesAFew) {
  io::VitalsCounts counts;
  counts.rows = 100;
  counts.nameless = counts.empty_stays = counts.strangers = 1;
  counts.unsorted = 2;
  MapCounts mapped;
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g"}) mapped.unknown[name] = 1;
  EXPECT_EQ(
      stay_remarks(table_of(counts, 1), mapped, {}),
      "Read 1 stay, 100 measurements; 2 unsorted rows (sorted); 1 row without a variable's name "
      "(dropped); 7 unknown variables (a, b, c, d, e and 2 more: 7 rows, dropped); 1 stay without "
      "a measurement (kept); 1 row of labels about other stays (dropped).");
}

TEST(StayRemarksTest, OfCleanDataThereIsNothingToSay) {
  io::VitalsCounts counts;
  counts.rows = 100;
  counts.missing = 3;
  counts.unreadable = 2;  // told file by file
  MapCounts mapped;
  mapped.mapped = 100;
  mapped.unknown = {{"Foo", 0}};
  EXPECT_EQ(stay_remarks(table_of(counts, 10), mapped, {}), "");
}

class StayRemarksOfASourceTest : public StayFiles {
 protected:
  StayRemarksOfASourceTest()
      : StayFiles("modality = 'vitals'\n[[variables.variable]]\nname = 'HR'\nrange = [10, 300]\n") {
  }
  std::string remarks(const std::string& data = "") {
    return open(data, {TaskKind::kBinary, {"death"}}).remarks();
  }
};

TEST_F(StayRemarksOfASourceTest, ASourceRemarksOnItsFilesByItsRules) {
  write("events.csv", "stay_id,time,variable,value\na,0,HR,60\na,1,HR,70\n");
  EXPECT_EQ(remarks(), "");
  write("events.csv", "stay_id,time,variable,value\na,2,HR,600\na,1,HR,70\na,1,Foo,1\n");
  EXPECT_EQ(
      remarks(),
      "Read 1 stay, 3 measurements; 2 unsorted rows (sorted); 1 value outside of its plausible "
      "range (HR); 1 unknown variable (Foo: 1 row, dropped).");
  EXPECT_THAT(remarks("unsorted = 'drop'\nlatest = 1.5\n"),
              HasSubstr("2 unsorted rows (dropped), 1 future row (dropped)"));
  EXPECT_THAT(remarks("latest = 1.5\nfuture = 'accept'\n"), HasSubstr("1 future row (kept)"));
}

TEST_F(StayRemarksOfASourceTest, RowsOutsideOfTheBinsAreCounted) {
  const std::string first = "stay_id,time,variable,value\na,0,HR,60\na,47.9,HR,70\n";
  write("events.csv", first + "a,48,HR,70\na,50,HR,70\na,-1,HR,70\na,-1,Foo,70\n");
  EXPECT_THAT(remarks(),
              HasSubstr("; 3 rows outside of the hours that the model sees (1 before them, 2 "
                        "after them, dropped)."));
  write("events.csv", first + "a,48,HR,70\n");
  EXPECT_EQ(remarks(),
            "Read 1 stay, 3 measurements; 1 row outside of the hours that the model sees (1 after "
            "them, dropped).");
  EXPECT_EQ(remarks("latest = 47.9\n"), "Read 1 stay, 3 measurements; 1 future row (dropped).")
      << "told once";
}

}  // namespace
}  // namespace salus::data
