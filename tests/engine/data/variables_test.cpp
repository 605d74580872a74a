#include "engine/data/variables.h"

#include <ATen/ops/from_blob.h>

#include <cmath>
#include <set>

#include "engine/io/error.h"
#include "kernels/vitals_grid.h"
#include "tests/support/files.h"

namespace salus::data {
namespace {

using kernels::Aggregate;
using kernels::GridFill;
using kernels::GridTransform;
using ::testing::AllOf;
using ::testing::HasSubstr;

VariableTable parse(const std::string& text) {
  return VariableTable::parse(text, "variables.toml");
}

/// `n` stays of one event each, of these variables in turn, value 1, 2, 3, ...
io::VitalsTable table_of(const std::vector<io::VitalsVariable>& variables) {
  io::VitalsTable table;
  table.variables = variables;
  for (std::size_t v = 0; v < variables.size(); ++v) {
    table.ids.push_back(std::to_string(v));
    table.time.push_back(0);
    table.variable.push_back(static_cast<std::int32_t>(v));
    table.value.push_back(static_cast<float>(v + 1));
    table.offsets.push_back(static_cast<std::int64_t>(v + 1));
  }
  return table;
}

TEST(VariablesTest, ReadsEveryKey) {
  const VariableTable table = parse(R"(
[[variable]]
name = "Glucose"
aliases = ["glu", "blood sugar"]
unit = "mmol/L"
source_unit = "mg/dL"
molar_mass = 180.156
range = [0.5, 110]
transform = "log"
aggregate = "mean"
max_gap = 24
fill = "nan"
[[variable]]
name = "Pain"
unit = "point"
conversions = [{unit = "half point", factor = 0.5, offset = 1}]
[[static]]
name = "Age"
unit = "years"
range = [0, 120]
[[static]]
name = "Ward"
categories = [1, 2, 7]
)");
  ASSERT_EQ(table.variables().size(), 2u);
  const Variable& glucose = table.variables()[0];
  EXPECT_EQ(glucose.name, "Glucose");
  EXPECT_EQ(glucose.unit, "mmol/L");
  EXPECT_EQ(glucose.grid.low, 0.5);
  EXPECT_EQ(glucose.grid.high, 110);
  EXPECT_EQ(glucose.grid.transform, GridTransform::kLog);
  EXPECT_EQ(glucose.grid.aggregate, Aggregate::kMean);
  EXPECT_EQ(glucose.grid.max_gap, 24);
  EXPECT_EQ(glucose.grid.fill, GridFill::kNaN);
  const Variable& pain = table.variables()[1];
  EXPECT_EQ(pain.source_unit, "point");
  EXPECT_EQ(pain.grid.aggregate, Aggregate::kLast);
  EXPECT_EQ(pain.grid.transform, GridTransform::kNone);
  EXPECT_EQ(pain.grid.fill, GridFill::kMean);
  EXPECT_TRUE(std::isinf(pain.grid.max_gap) && std::isinf(pain.grid.high));
  EXPECT_EQ(conversion_of(pain, "Half Point")(4), 3);
  EXPECT_NEAR(conversion_of(glucose, "")(100), 5.551, 1e-3);
  EXPECT_EQ(conversion_of(glucose, "mmol/L")(5), 5);
  EXPECT_EQ(table.static_columns(),
            (std::vector<std::string>{"Age", "Ward=1", "Ward=2", "Ward=7"}));
}

TEST(VariablesTest, NamesAndAliasesAreFoundInAnyCase) {
  const VariableTable table = parse(
      "[[variable]]\nname = \"HR\"\naliases = [\"Heart Rate\"]\n[[variable]]\nname = \"pH\"\n");
  EXPECT_EQ(table.find("hr"), 0);
  EXPECT_EQ(table.find("HEART RATE"), 0);
  EXPECT_EQ(table.find("PH"), 1);
  EXPECT_EQ(table.find("pulse"), -1);
}

TEST(VariablesTest, ItsTomlGivesTheSameTable) {
  for (const char* name : {"icu-mortality", "sepsis-onset"}) {
    const VariableTable table =
        VariableTable::parse_file(std::string("weights/") + name + "/variables.toml");
    const VariableTable again = parse(table.toml());
    EXPECT_EQ(again.toml(), table.toml());
    ASSERT_EQ(again.variables().size(), table.variables().size());
    for (std::size_t v = 0; v < table.variables().size(); ++v) {
      EXPECT_EQ(again.variables()[v].name, table.variables()[v].name);
      EXPECT_EQ(again.variables()[v].grid.max_gap, table.variables()[v].grid.max_gap);
    }
  }
}

TEST(VariablesTest, UnknownKeysAreRefusedWithTheNearestKnownOne) {
  const auto refused = [](const std::string& text, const std::string& key,
                          const std::string& words) {
    SALUS_EXPECT_ERROR(parse(text),
                       AllOf(HasSubstr("variables.toml"), HasSubstr(key), HasSubstr(words)));
  };
  refused("[[variable]]\nname = \"HR\"\nagregate = \"mean\"\n", "agregate", "aggregate");
  refused("[[variable]]\nname = \"HR\"\nmaxgap = 3\n", "maxgap", "max_gap");
  refused("[[variables]]\nname = \"HR\"\n", "variables", "variable");
  refused("[[variable]]\nname = \"HR\"\n[[static]]\nname = \"Age\"\ncategoris = [1]\n", "categoris",
          "categories");
}

TEST(VariablesTest, RefusesOtherValuesThanStated) {
  const auto refused = [](const std::string& keys, const std::string& words) {
    SALUS_EXPECT_ERROR(parse("[[variable]]\nname = \"X\"\n" + keys), HasSubstr(words));
  };
  SALUS_EXPECT_ERROR(parse(""), HasSubstr("at least one"));
  SALUS_EXPECT_ERROR(parse("[[variable]]\nunit = \"kg\"\n"), HasSubstr("name"));
  SALUS_EXPECT_ERROR(parse("[[variable]]\nname = \"\"\n"), HasSubstr("must not be empty"));
  refused("range = [3]\n", "range must be [low, high]");
  refused("[[static]]\nname = \"Ward\"\ncategories = [1]\nclock = true\n", "it is a time");
  refused("range = [3, 2]\n", "range must be [low, high]");
  refused("transform = \"sqrt\"\n", "transform");
  refused("aggregate = \"median\"\n", "aggregate");
  refused("fill = \"last\"\n", "fill");
  refused("max_gap = -1\n", "max_gap must be 0 hours or more");
  refused("transform = \"log\"\nfill = \"zero\"\n", "0 has no logarithm");
  refused("molar_mass = 0\n", "molar_mass must be above 0");
  refused("valence = -1\n", "valence must be above 0");
  refused("unit = \"mmol/L\"\nsource_unit = \"mg/dL\"\n", "add molar_mass");
  refused("conversions = [{unit = \"y\", factor = 0}]\n", "must be finite and not 0");
  refused("[[variable]]\nname = \"x\"\n", "\"x\" is a name of X already");
  refused("[[variable]]\nname = \"Y\"\naliases = [\"x\"]\n", "\"x\" is a name of X already");
  refused("[[static]]\nname = \"A\"\n[[static]]\nname = \"a\"\n", "a static already");
}

TEST(VariablesTest, MapsEventsIntoItsOrderAndUnits) {
  const VariableTable variables = parse(R"(
[[variable]]
name = "Temp"
unit = "degC"
[[variable]]
name = "Glucose"
aliases = ["sugar"]
unit = "mg/dL"
molar_mass = 180.156
)");
  io::VitalsTable table = table_of(
      {{"Foo", ""}, {"Glucose", ""}, {"glucose", "mmol/L"}, {"Sugar", "g/L"}, {"Temp", "degF"}});
  const MapCounts counts = variables.map(table);
  EXPECT_EQ(table.variable, (std::vector<std::int32_t>{-1, 1, 1, 1, 0}));
  EXPECT_FLOAT_EQ(table.value[1], 2);
  EXPECT_NEAR(table.value[2], 3 * 18.0156, 1e-4);
  EXPECT_FLOAT_EQ(table.value[3], 400);
  EXPECT_NEAR(table.value[4], -15, 1e-5);
  EXPECT_EQ(counts.mapped, 4);
  EXPECT_EQ(counts.unknown, (std::map<std::string, std::int64_t>{{"Foo", 1}}));
  EXPECT_EQ(table.variables,
            (std::vector<io::VitalsVariable>{{"Temp", "degC"}, {"Glucose", "mg/dL"}}));
}

TEST(VariablesTest, RefusesUnknownVariablesIfAskedAndUnknownUnitsAlways) {
  const VariableTable variables = parse("[[variable]]\nname = \"Lactate\"\nunit = \"mmol/L\"\n");
  io::VitalsTable table = table_of({{"Lactat", ""}});
  SALUS_EXPECT_ERROR(variables.map(table, true),
                     AllOf(HasSubstr("\"Lactat\""), HasSubstr("it has \"lactate\""),
                           HasSubstr("The first such value is of the stay \"0\" at hour 0.")));
  table = table_of({{"Lactate", "mg/dL"}});
  SALUS_EXPECT_ERROR(variables.map(table),
                     AllOf(HasSubstr("Lactate is given in \"mg/dL\""), HasSubstr("molar_mass")));
  table = table_of({{"Lactate", "drops"}});
  SALUS_EXPECT_ERROR(variables.map(table),
                     HasSubstr("add conversions = [{unit = \"drops\", factor = ...}]"));
}

TEST(VariablesTest, AUnitThatIsNotKnownIsRefusedWithItsFirstStayAndHour) {
  const VariableTable variables = parse("[[variable]]\nname = \"HR\"\n");
  io::VitalsTable table;
  table.ids = {"w1", "w2", "w3"};
  table.variables = {{"HR", ""}, {"HR", "drops"}};
  table.variable = {0, 0, 1, 1};
  table.time = {0, 1, 2.25, 3};
  table.value = {60, 61, 62, 63};
  table.offsets = {0, 2, 2, 4};  // the second has none
  SALUS_EXPECT_ERROR(variables.map(table), AllOf(HasSubstr("HR is given in \"drops\""),
                                                 HasSubstr("is of the stay \"w3\" at hour 2.25.")));
}

TEST(VariablesTest, CountsEventsOutsideOfTheirRange) {
  const VariableTable variables =
      parse("[[variable]]\nname = \"A\"\nrange = [2, 3]\n[[variable]]\nname = \"B\"\n");
  io::VitalsTable table = table_of({{"A", ""}, {"a", ""}, {"A", ""}, {"A", ""}, {"B", ""}});
  EXPECT_EQ(variables.map(table).outside, (std::map<std::string, std::int64_t>{{"A", 2}}));
}

TEST(VariablesTest, MapsStaticsIntoColumns) {
  const VariableTable variables = parse(R"(
[[variable]]
name = "HR"
[[static]]
name = "Ward"
categories = [1, 2]
[[static]]
name = "Height"
aliases = ["size"]
unit = "cm"
source_unit = "in"
range = [100, 230]
[[static]]
name = "Absent"
)");
  io::VitalsTable table = table_of({{"HR", ""}, {"HR", ""}, {"HR", ""}});
  table.static_names = {"Size", "ward", "other"};
  table.statics = {70, 2, 0, 500, 3, 0, std::nanf(""), 1, 0};
  const MapCounts counts = variables.map(table);
  EXPECT_EQ(table.static_names, (std::vector<std::string>{"Ward=1", "Ward=2", "Height", "Absent"}));
  EXPECT_EQ(table.statics[0], 0);
  EXPECT_EQ(table.statics[1], 1);
  EXPECT_FLOAT_EQ(table.statics[2], 177.8F);
  EXPECT_TRUE(std::isnan(table.statics[3]));
  EXPECT_TRUE(std::isnan(table.statics[4]) && std::isnan(table.statics[5]));  // ward 3
  EXPECT_TRUE(std::isnan(table.statics[6]));                                  // 500 in
  EXPECT_EQ(table.statics[8], 1);
  EXPECT_EQ(table.statics[9], 0);
  EXPECT_TRUE(std::isnan(table.statics[10]));
  EXPECT_EQ(counts.statics_outside,
            (std::map<std::string, std::int64_t>{{"Ward", 1}, {"Height", 1}}));
}

TEST(VariablesTest, TheShippedTablesKnowEveryVariableOfTheirChallenge) {
  io::VitalsTable mortality =
      io::read_physionet2012({test::data_path("vitals/physionet2012/set-a")}, {});
  VariableTable::parse_file("weights/icu-mortality/variables.toml").map(mortality, true);
  io::VitalsTable sepsis = io::read_physionet2019({test::data_path("vitals/physionet2019")});
  VariableTable::parse_file("weights/sepsis-onset/variables.toml").map(sepsis, true);
  EXPECT_EQ(mortality.variables.size(), 37u);
  EXPECT_EQ(sepsis.variables.size(), 34u);
  EXPECT_EQ(mortality.static_names.size(), 8u);
  EXPECT_EQ(sepsis.static_names.size(), 6u);
}

TEST(VariablesTest, RealStaysGoFromTheirFilesToTheGrid) {
  const VariableTable variables = VariableTable::parse_file("weights/icu-mortality/variables.toml");
  io::VitalsTable table =
      io::read_physionet2012({test::data_path("vitals/physionet2012/set-a.tar.gz")}, {});
  const auto events = static_cast<std::int64_t>(table.time.size());
  EXPECT_EQ(variables.map(table).mapped, events);
  kernels::VitalsGridSpec spec;
  for (const Variable& variable : variables.variables()) spec.variables.push_back(variable.grid);
  const auto tensor = [](auto& values, at::ScalarType type) {
    return at::from_blob(values.data(), {static_cast<std::int64_t>(values.size())}, type);
  };
  const kernels::VitalsGrid grid =
      kernels::vitals_grid({tensor(table.offsets, at::kLong), tensor(table.time, at::kDouble),
                            tensor(table.variable, at::kInt), tensor(table.value, at::kFloat)},
                           spec);
  EXPECT_EQ(grid.counts.sum().item<std::int64_t>(), events);  // none is lost
  EXPECT_TRUE(grid.values.isfinite().all().item<bool>());
  // Stay 132539: 00:07 and 00:37 give heart rates of 73 and 77, 01:37 gives 60.
  const std::int64_t hr = variables.find("HR");
  EXPECT_FLOAT_EQ(grid.values[0][0][hr].item<float>(), 75);
  EXPECT_FLOAT_EQ(grid.values[0][1][hr].item<float>(), 60);
  const std::int64_t urine = variables.find("Urine");
  EXPECT_FLOAT_EQ(grid.values[0][0][urine].item<float>(), std::log1p(960.0F));
  EXPECT_EQ(grid.mask[0][0][variables.find("Lactate")].item<float>(), 0);
}

}  // namespace
}  // namespace salus::data
