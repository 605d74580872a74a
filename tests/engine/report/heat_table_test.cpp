#include "engine/report/heat_table.h"

#include <gmock/gmock.h>

namespace salus::report {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t found = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

HeatTable two_rows() {
  HeatTable table;
  table.title = "stay <7>";
  table.rows = {"HR", "GCS"};
  table.values = {{0.5, 0, -0.25}, {0, 0.1, 1}};
  table.column_step = 2;
  return table;
}

TEST(HeatTableTest, RedRaisesBlueLowersAndTheLargestIsTheDarkest) {
  const std::string svg = heat_table_svg(two_rows());
  EXPECT_THAT(svg, AllOf(HasSubstr("rgb(178,24,43)"), HasSubstr("GCS, 4: +1"),
                         HasSubstr("HR, 4: -0.25"), HasSubstr("at most 1")));
  EXPECT_EQ(count(svg, "<title>"), 4u) << "a cell of 0 is left white";
  EXPECT_THAT(svg, AllOf(HasSubstr("stay &lt;7&gt;"), Not(HasSubstr("stay <7>"))));
}

TEST(HeatTableTest, DotsMarkCellsThatAreWideEnough) {
  HeatTable table = two_rows();
  EXPECT_THAT(heat_table_svg(table), AllOf(Not(HasSubstr("<circle")), Not(HasSubstr("dot:"))));
  table.marked = {{true, true, false}, {false, false, true}};
  const std::string svg = heat_table_svg(table);
  EXPECT_EQ(count(svg, "<circle"), 3u) << "a measured value may add nothing";
  EXPECT_THAT(svg, AllOf(HasSubstr("HR, 0: +0.5, measured"), HasSubstr("GCS, 2: +0.1<"),
                         HasSubstr("dot: measured")));
  table.values = {std::vector<double>(400, 1)};
  table.rows = {"HR"};
  table.marked = {std::vector<bool>(400, true)};
  EXPECT_THAT(heat_table_svg(table), AllOf(Not(HasSubstr("<circle")), Not(HasSubstr("dot:"))));
}

TEST(HeatTableTest, SingleValuesStandBelowOnTheSameScale) {
  HeatTable table = two_rows();
  const auto height = [](const std::string& svg) {
    return std::stod(svg.substr(svg.find("height=\"") + 8));
  };
  const double before = height(heat_table_svg(table));
  table.singles = {{"Age & sex", -2}, {"ICUType=1", -0.0}};
  const std::string svg = heat_table_svg(table);
  EXPECT_THAT(svg, AllOf(HasSubstr("Age &amp; sex"), HasSubstr("ICUType=1"), HasSubstr(">-2<"),
                         HasSubstr(">0<"), HasSubstr("rgb(33,102,172)"), HasSubstr("at most 2")));
  EXPECT_EQ(height(svg), before + 40);
}

TEST(HeatTableTest, WithoutRowsThereIsNoAxis) {
  HeatTable table = two_rows();
  const std::string tick = "text-anchor=\"middle\"";
  EXPECT_THAT(heat_table_svg(table), HasSubstr(tick));
  table.rows.clear();
  table.values.clear();
  table.columns = "no rows";
  table.singles = {{"Age", 0.5}};
  EXPECT_THAT(heat_table_svg(table), AllOf(Not(HasSubstr(tick)), HasSubstr(">no rows; red raises"),
                                           HasSubstr("at most 0.5"), HasSubstr("+0.5")));
}

TEST(HeatTableTest, ATableOfNothingIsAPicture) {
  HeatTable table;
  table.singles = {{"Age", 0}};
  EXPECT_THAT(heat_table_svg(table), AllOf(HasSubstr("<svg"), HasSubstr("</svg>"),
                                           Not(HasSubstr("nan")), Not(HasSubstr("-nan"))));
}

}  // namespace
}  // namespace salus::report
