#include "engine/io/table.h"

#include "engine/io/error.h"
#include "engine/io/files.h"
#include "tests/support/files.h"
#include "tests/support/fuzz.h"

namespace salus::io {
namespace {

using test::data_path;
using test::TemporaryFolder;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TextTable csv(const std::string& text) {
  const TemporaryFolder folder;
  write_text(folder.path("t.csv"), text);
  return read_table(folder.path("t.csv"));
}

TEST(CsvTest, ReadsHeaderAndRows) {
  const TextTable table = csv("file,label\na.png,1\nb.png,0\n");
  EXPECT_THAT(table.columns, ElementsAre("file", "label"));
  EXPECT_THAT(table.rows, ElementsAre(ElementsAre("a.png", "1"), ElementsAre("b.png", "0")));
  EXPECT_EQ(table.column("label"), 1);
  EXPECT_EQ(table.column("Label"), -1);
}

TEST(CsvTest, QuotedCellsHoldCommasLinesAndQuotes) {
  const TextTable table = csv("a,b\n\"x,y\",\"two\nlines\"\n\"say \"\"hi\"\"\",\"\"\n");
  EXPECT_THAT(table.rows,
              ElementsAre(ElementsAre("x,y", "two\nlines"), ElementsAre("say \"hi\"", "")));
}

TEST(CsvTest, EveryLineEndAndAMissingLastOneAreTheSame) {
  for (const char* text : {"a,b\n1,2\n", "a,b\r\n1,2\r\n", "a,b\r1,2\r", "a,b\n1,2"}) {
    EXPECT_THAT(csv(text).rows, ElementsAre(ElementsAre("1", "2"))) << text;
  }
}

TEST(CsvTest, SkipsAByteOrderMark) {
  EXPECT_THAT(csv("\xef\xbb\xbf"
                  "a,b\n1,2\n")
                  .columns,
              ElementsAre("a", "b"));
}

TEST(CsvTest, EmptyCellsAndBlanksStay) {
  EXPECT_THAT(csv("a,b,c\n,, x \n").rows, ElementsAre(ElementsAre("", "", " x ")));
}

TEST(CsvTest, EmptyLinesAreSkippedUnlessThereIsOneColumn) {
  EXPECT_THAT(csv("a,b\n\n1,2\n\n").rows, ElementsAre(ElementsAre("1", "2")));
  EXPECT_THAT(csv("a\n1\n\n3\n").rows,
              ElementsAre(ElementsAre("1"), ElementsAre(""), ElementsAre("3")));
}

TEST(CsvTest, AHeaderAloneHasNoRows) { EXPECT_THAT(csv("a,b\n").rows, IsEmpty()); }

TEST(CsvTest, NamesTheLineOfARaggedRow) {
  SALUS_EXPECT_ERROR(csv("a,b\n\"two\nlines\",x\n\n1,2,3\n"),
                     AllOf(HasSubstr("t.csv line 5"), HasSubstr("3 cells"), HasSubstr("has 2")));
}

TEST(CsvTest, NamesTheLineWhereAQuoteOpens) {
  SALUS_EXPECT_ERROR(csv("a,b\n1,2\n\"x,\n\n"), HasSubstr("line 3 opens a quote"));
}

TEST(CsvTest, RefusesTextAfterAQuote) {
  SALUS_EXPECT_ERROR(csv("a,b\n\"x\"y,2\n"), HasSubstr("line 2 has text after a closing quote"));
}

TEST(CsvTest, RefusesAQuoteInsideAPlainCell) {
  SALUS_EXPECT_ERROR(csv("a,b\n1,5\" x\n"), HasSubstr("line 2 has a quote inside"));
}

TEST(CsvTest, RefusesAnEmptyFile) {
  SALUS_EXPECT_ERROR(csv(""), HasSubstr("empty"));
  SALUS_EXPECT_ERROR(csv("\xef\xbb\xbf"), HasSubstr("empty"));
}

TEST(CsvTest, RefusesTwoColumnsOfOneName) {
  SALUS_EXPECT_ERROR(csv("a,b,a\n1,2,3\n"), HasSubstr("two columns named \"a\""));
}

TEST(CsvTest, RefusesWhatIsNotUtf8) {
  SALUS_EXPECT_ERROR(csv("a,b\n1,2\n\xe9,3\n"), HasSubstr("line 3 is not UTF-8"));
  SALUS_EXPECT_ERROR(csv("\xff\xfe"
                         "a"),
                     HasSubstr("UTF-16"));
  SALUS_EXPECT_ERROR(csv(std::string("a\0b\n", 4)), HasSubstr("line 1"));
  for (const char* bad : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) {
    SALUS_EXPECT_ERROR(csv(bad), HasSubstr("UTF-8"));
  }
  EXPECT_THAT(csv("\xe2\x82\xac\n\xf0\x9f\xab\x80\n").columns, ElementsAre("\xe2\x82\xac"));
}

TEST(CsvTest, NamesAMissingFile) {
  SALUS_EXPECT_ERROR(read_table("none.csv"), HasSubstr("none.csv"));
}

TEST(ParquetTest, EveryTypeBecomesItsExactText) {
  const TextTable table = read_table(data_path("tables/types.parquet"));
  EXPECT_THAT(table.columns, ElementsAre("int64", "uint8", "float", "double", "bool", "string",
                                         "large", "coded", "date", "time", "decimal", "nothing"));
  ASSERT_EQ(table.rows.size(), 3u);
  EXPECT_THAT(table.rows[0], ElementsAre("1", "0", "0.1", "0.1", "1", "a,b", "\xc3\xa9", "x",
                                         "2024-02-29", "2024-02-29 13:05:00.000", "1.50", ""));
  EXPECT_THAT(table.rows[1], ElementsAre("-9223372036854775808", "255", "3", "1e+20", "0", "",
                                         "line\nend", "y", "", "", "-2.25", ""));
  EXPECT_THAT(table.rows[2],
              ElementsAre("", "7", "16777216", "", "", "", "z", "x", "1999-12-31", "", "", ""));
}

TEST(ParquetTest, WholeFloatsAreIntegersOfAnyWidth) {
  const TextTable table = read_table(data_path("tables/floats.parquet"));
  EXPECT_THAT(table.columns, ElementsAre("double", "float", "half"));
  EXPECT_THAT(table.rows,
              ElementsAre(ElementsAre("300000", "16777216", "2048"), ElementsAre("0", "0", "0"),
                          ElementsAre("1e+15", "999999986991104", "65504"),
                          ElementsAre("999999999999999", "3000000000", "0"),
                          ElementsAre("-12345678", "-300000", "-300"),
                          ElementsAre("inf", "-inf", "inf"), ElementsAre("2.5", "2.5", "2.5"),
                          ElementsAre("", "", ""), ElementsAre("", "", "")));
}

TEST(ParquetTest, ViewsAndBytesOfFixedSizeAreText) {
  const TextTable table = read_table(data_path("tables/views.parquet"));
  EXPECT_THAT(table.columns, ElementsAre("string_view", "binary_view", "fixed"));
  EXPECT_THAT(table.rows, ElementsAre(ElementsAre("a", "b", "0001"),
                                      ElementsAre("longer than twelve bytes",
                                                  "also longer than twelve", "0002"),
                                      ElementsAre("", "", "")));
}

TEST(ParquetTest, RefusesDurationsAndSaysWhatToWrite) {
  SALUS_EXPECT_ERROR(read_table(data_path("tables/durations.parquet")),
                     AllOf(HasSubstr("durations.parquet"), HasSubstr("\"stay\""),
                           HasSubstr("write hours as a number")));
}

TEST(ParquetTest, RefusesNestedColumnsByName) {
  SALUS_EXPECT_ERROR(read_table(data_path("tables/nested.parquet")),
                     AllOf(HasSubstr("nested.parquet"), HasSubstr("\"list\"")));
}

TEST(ParquetTest, RefusesTwoColumnsOfOneName) {
  SALUS_EXPECT_ERROR(read_table(data_path("tables/repeated.parquet")), HasSubstr("\"a\""));
}

TEST(ParquetTest, RefusesATruncatedFile) {
  const TemporaryFolder folder;
  auto bytes = read_file(data_path("tables/types.parquet"));
  bytes.resize(bytes.size() / 2);
  write_file(folder.path("t.parquet"), bytes);
  SALUS_EXPECT_ERROR(read_table(folder.path("t.parquet")), HasSubstr("Parquet"));
}

TEST(CsvFuzzTest, NeverCrashesHangsOrFillsMemory) {
  const std::string text = "a,b\n\"x,\"\"y\",\"two\r\nlines\"\n1,\xe2\x82\xac\n,\n";
  const auto make = [&](test::Rng& rng) {
    const auto view = std::as_bytes(std::span(text.data(), text.size()));
    test::Bytes bytes(view.begin(), view.end());
    test::mutate(bytes, rng);
    return bytes;
  };
  const auto consume = [](const std::string& path) {
    const TextTable table = read_table(path);
    for (const auto& row : table.rows) {
      if (row.size() != table.columns.size())
        throw std::logic_error("a ragged row was let through");
    }
  };
  const auto report = test::run_fuzz("csv", test::fuzz_options(), make, consume);
  EXPECT_TRUE(report.findings.empty()) << report.summary();
  EXPECT_GT(report.accepted, 0);
}

}  // namespace
}  // namespace salus::io
