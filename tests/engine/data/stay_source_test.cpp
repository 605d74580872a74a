#include "engine/data/stay_source.h"

#include <ATen/ops/equal.h>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>

#include "engine/io/error.h"
#include "tests/engine/data/stay_files.h"

namespace salus::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const Task kDeath{TaskKind::kBinary, {"death"}};

constexpr const char* kTransform = R"(
modality = "vitals"
steps = 4
[variables]
[[variables.variable]]
name = "HR"
range = [10, 300]
[[variables.variable]]
name = "Temp"
unit = "degC"
source_unit = "degF"
[[variables.static]]
name = "Age"
[[variables.static]]
name = "ICU"
categories = [1, 2]
)";

/// Four stays of three patients as a long table.
class StaySourceTest : public StayFiles {
 protected:
  StaySourceTest() : StayFiles(kTransform) {
    write("events.csv",
          "stay_id,time,variable,value\na,0.2,HR,60\na,0.4,HR,80\na,2.5,HR,100\na,1,Temp,98.6\n"
          "b,0,HR,90\nc,3.9,HR,500\nc,3.9,Weight,70\n");
    write("statics.csv", "stay_id,patient_id,Age,ICU\na,P1,50,1\nb,P2,70,2\nc,P2,,1\nd,P3,60,9\n");
    write("labels.csv", "stay_id,death\na,0\nb,1\nc,0\nd,1\n");
  }

  StaySource source(const std::string& data = "", const std::string& transform = kTransform,
                    const Task& task = kDeath) {
    return open(data, task, transform);
  }
};

TEST_F(StaySourceTest, KnowsCasesBeforeAnythingIsGridded) {
  const auto stays = source("subgroups = ['ICU', 'Age:65']");
  ASSERT_EQ(stays.cases().size(), 4U);
  EXPECT_EQ(stays.cases()[1].id, "b");
  EXPECT_EQ(stays.cases()[2].patient, "P2");
  EXPECT_EQ(stays.cases()[3].target, std::vector<float>{1});
  EXPECT_EQ(stays.cases()[1].subgroups.at("Age"), "65 and above");
  EXPECT_EQ(stays.cases()[0].subgroups.at("Age"), "below 65");
  EXPECT_EQ(stays.cases()[2].subgroups.at("Age"), "");
  EXPECT_EQ(stays.cases()[3].subgroups.at("ICU"), "9");
}

TEST_F(StaySourceTest, GridsStandardisesAndFlagsByTheTrainingPart) {
  auto stays = source();
  stays.fit({0, 1});  // HR bins 80, 100 and 90: mean 90, standard deviation 10
  const Batch batch = stays.open({2, 0})->load({0, 1});
  ASSERT_EQ(batch.inputs.at("values").sizes(), (std::vector<std::int64_t>{2, 4, 2}));
  EXPECT_EQ(batch.ids, (std::vector<std::string>{"c", "a"}));
  const auto values = batch.inputs.at("values")[1], mask = batch.inputs.at("mask")[1];
  EXPECT_FLOAT_EQ(values[0][0].item<float>(), -1);
  EXPECT_FLOAT_EQ(values[2][0].item<float>(), 1);
  EXPECT_FLOAT_EQ(mask[1][0].item<float>(), 0);
  EXPECT_FLOAT_EQ(mask[1][1].item<float>(), 1);
  EXPECT_EQ(batch.inputs.at("mask")[0].sum().item<float>(), 0) << "500 is no heart rate";
  EXPECT_EQ(batch.target.sizes(), (std::vector<std::int64_t>{2, 1}));
  // Age 50 and 70 in the training part: mean 60, standard deviation sqrt(200).
  const auto statics = batch.inputs.at("static");
  EXPECT_NEAR(statics[1][0].item<double>(), -10 / std::sqrt(200.0), 1e-6);
  EXPECT_EQ(statics[0][0].item<float>(), 0) << "a missing age is the mean";
}

TEST_F(StaySourceTest, ColumnsThatMayBeMissingGetAFlag) {
  auto stays = source();
  stays.fit({0, 1, 2, 3});
  ModelSpec spec;
  stays.describe(spec);
  EXPECT_EQ(spec.variables, 2);
  EXPECT_EQ(spec.steps, 4);
  EXPECT_EQ(spec.modality, Modality::kVitals);
  const Batch batch = stays.open({0, 2})->load({0, 1});
  EXPECT_EQ(batch.inputs.at("static").size(1), spec.statics);
  EXPECT_EQ(batch.inputs.at("static")[0].slice(0, 3).sum().item<float>(), 0);
  EXPECT_GE(batch.inputs.at("static")[1].slice(0, 3).sum().item<float>(), 1);
}

TEST_F(StaySourceTest, AClockIsToldInBins) {
  std::string text = kTransform;
  const std::string age = "[[variables.static]]\nname = \"Age\"\n";
  text.replace(
      text.find(age), age.size(),
      "[[variables.static]]\nname = \"ICU\"\ncategories = [1, 2]\n" + age + "clock = true\n");
  text.resize(text.rfind("[[variables.static]]"));
  auto stays = source("", "step = '30 min'\n" + text);
  stays.fit({0, 1});  // 50 and 70 hours
  ModelSpec spec;
  stays.describe(spec);
  ASSERT_EQ(spec.clocks.size(), 1U);
  EXPECT_EQ(spec.clocks[0].column, 2);
  EXPECT_DOUBLE_EQ(spec.clocks[0].scale, 2 * std::sqrt(200.0));
  EXPECT_DOUBLE_EQ(spec.clocks[0].offset, 2 * 60);
}

TEST_F(StaySourceTest, EveryColumnOfTheStaticsHasAName) {
  auto stays = source();
  stays.fit({0, 1, 2, 3});
  const StayTransform transform(Config::parse(stays.transform_toml(), "bundle"));
  // The ICU of the last is neither of the two.
  EXPECT_THAT(transform.static_names(), ElementsAre("Age", "ICU=1", "ICU=2", "Age missing",
                                                    "ICU=1 missing", "ICU=2 missing"));
  EXPECT_EQ(std::ssize(transform.static_names()), transform.static_width());
  EXPECT_THROW(StayTransform(Config::parse(kTransform, "t")).static_names(), Error);
}

TEST_F(StaySourceTest, SaysWhereAValueWasMeasured) {
  std::string text = kTransform;
  text.replace(text.find("range = [10, 300]"), 17, "max_gap = 1");
  auto stays = source("", text);
  stays.fit({0, 1});
  const StayTransform transform(Config::parse(stays.transform_toml(), "bundle"));
  const Batch batch = stays.open({0})->load({0});
  const auto mask = batch.inputs.at("mask")[0], values = batch.inputs.at("values")[0];
  // HR in the bins 0 and 2, carried for one more; Temp in bin 1, carried for ever.
  EXPECT_THAT(transform.measured_at(mask, 0), ElementsAre(0, 0, 2, 2));
  EXPECT_THAT(transform.measured_at(mask, 1), ElementsAre(-1, 1, 1, 1));
  EXPECT_EQ(values[1][0].item<float>(), values[0][0].item<float>());
  EXPECT_EQ(values[0][1].item<float>(), 0) << "the fill";
}

TEST_F(StaySourceTest, AFillIsNoMeasurementHoweverLongAgoThatWas) {
  write("events.csv", "stay_id,time,variable,value\na,0,HR,60\na,3,Temp,99\n");
  std::string text = kTransform;
  text.replace(text.find("range = [10, 300]"), 17, "max_gap = 1");
  auto stays = source("", text);
  stays.fit({0});
  const StayTransform transform(Config::parse(stays.transform_toml(), "bundle"));
  const Batch batch = stays.open({0})->load({0});
  EXPECT_THAT(transform.measured_at(batch.inputs.at("mask")[0], 0), ElementsAre(0, 0, -1, -1));
}

TEST_F(StaySourceTest, AStayWithoutEventsIsKept) {
  auto stays = source();
  stays.fit({0, 1});
  const Batch batch = stays.open({3})->load({0});
  EXPECT_EQ(batch.inputs.at("length").item<std::int64_t>(), 0);
  EXPECT_TRUE(batch.inputs.at("static").isfinite().all().item<bool>());
}

TEST_F(StaySourceTest, ABundlesTransformGivesTheSameInputs) {
  auto stays = source();
  stays.fit({0, 1, 2, 3});
  const auto before = stays.open({0, 1, 2, 3})->load({0, 1, 2, 3});
  const auto again = source("", stays.transform_toml());
  const auto after = again.open({0, 1, 2, 3})->load({0, 1, 2, 3});
  for (const auto& [name, tensor] : before.inputs) {
    EXPECT_TRUE(at::equal(tensor, after.inputs.at(name))) << name;
  }
  EXPECT_EQ(again.transform_toml(), stays.transform_toml());
}

TEST_F(StaySourceTest, ACaseIsTheSameInAnyBatch) {
  auto stays = source();
  stays.fit({0, 1});
  const auto dataset = stays.open({0, 1, 2, 3});
  const auto all = dataset->load({0, 1, 2, 3}), one = dataset->load({2});
  for (const auto& [name, tensor] : one.inputs) {
    EXPECT_TRUE(at::equal(tensor[0], all.inputs.at(name)[2])) << name;
  }
  EXPECT_NE(dataset->content_hash(0), dataset->content_hash(1));
}

TEST_F(StaySourceTest, LabelsOfStepsStandInTheirBins) {
  write("labels.csv", "stay_id,time,sepsis\na,0,0\na,1.5,0\na,1.9,1\nb,0,\nb,5,1\nc,3,0\n");
  auto stays = source("", kTransform, {TaskKind::kBinary, {"sepsis"}});
  stays.fit({0, 1});
  ModelSpec spec;
  stays.describe(spec);
  EXPECT_TRUE(spec.per_step);
  EXPECT_EQ(stays.cases()[0].target, std::vector<float>{1}) << "the largest, for the split";
  EXPECT_TRUE(std::isnan(stays.cases()[3].target[0]));
  const auto dataset = stays.open({0, 1, 2, 3});
  const Batch batch = dataset->load({0, 1, 2, 3});
  ASSERT_EQ(batch.target.sizes(), (std::vector<std::int64_t>{4, 4, 1}));
  const auto target = [&](int stay, int bin) { return batch.target[stay][bin][0].item<float>(); };
  EXPECT_EQ(target(0, 0), 0);
  EXPECT_EQ(target(0, 1), 1) << "of two labels in a bin the last counts";
  EXPECT_TRUE(std::isnan(target(0, 2)));
  EXPECT_TRUE(std::isnan(target(1, 0)));
  EXPECT_EQ(target(2, 3), 0);
  EXPECT_EQ(dataset->targets({0, 1, 2, 3}).sizes(), (std::vector<std::int64_t>{3, 1}));
}

TEST_F(StaySourceTest, AStayLastsUntilItsLastEventOrStep) {
  write("labels.csv", "stay_id,time,sepsis\na,0,0\nb,0,0\nb,1.5,0\nd,2,0\n");
  auto stays = source("", kTransform, {TaskKind::kBinary, {"sepsis"}});
  stays.fit({0, 1});
  const auto dataset = stays.open({0, 1, 2, 3});
  const auto length = dataset->load({0, 1, 2, 3}).inputs.at("length");
  const std::vector<std::int64_t> expected{3, 2, 4, 3};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(length[i].item<std::int64_t>(), expected[i]);
    EXPECT_EQ(dataset->steps(i), expected[i]);
  }
}

TEST_F(StaySourceTest, ClassesMayBeOneColumnOfNumbers) {
  const auto stays =
      source("label = 'death'", kTransform, {TaskKind::kMulticlass, {"lived", "died"}});
  const auto deaths = source();
  for (std::size_t i = 0; i < stays.cases().size(); ++i) {
    const float died = deaths.cases()[i].target[0];
    if (std::isnan(died)) {
      EXPECT_TRUE(std::isnan(stays.cases()[i].target[0]));
    } else {
      EXPECT_THAT(stays.cases()[i].target, ElementsAre(1 - died, died));
    }
  }
  EXPECT_THAT(refusal("label = 'death'", {TaskKind::kMulticlass, {"died"}}),
              HasSubstr("number of a class"));
}

TEST_F(StaySourceTest, RulesForRowsTravelWithTheTransform) {
  auto trained = source("latest = 2.0\nduplicates = 'drop'");
  trained.fit({0, 1, 2, 3});
  EXPECT_EQ(trained.table().counts.future, 3);
  const std::string kept = trained.transform_toml();
  EXPECT_THAT(kept, HasSubstr("[rows]"));
  const auto again = source("", kept);
  EXPECT_EQ(again.table().counts.future, 3) << "as in training";
  EXPECT_EQ(source("latest = 10.0", kept).table().counts.future, 0) << "[data] may say otherwise";
  EXPECT_THAT(source().transform_toml(), Not(HasSubstr("[rows]")));
}

TEST_F(StaySourceTest, TwoNamesOfOneVariableAtOneTimeAreDuplicates) {
  std::string transform = kTransform;
  transform.replace(transform.find("name = \"HR\""), 11, "name = \"HR\"\naliases = [\"Pulse\"]");
  const std::string first = "stay_id,time,variable,value,unit\na,0,HR,60,\na,0,Foo,1,\n";
  const std::string last = "a,0,pulse,80,\na,1,Temp,98,\n";
  write("labels.csv", "stay_id,death\na,0\n");
  write("statics.csv", "stay_id,Age,ICU\na,50,1\n");
  write("events.csv", first + last + "a,1,Temp,37,degC\na,0,Foo,2,\n");
  EXPECT_EQ(source("", transform).table().counts.duplicates, 2) << "what is unknown is none";
  auto dropped = source("duplicates = 'drop'", transform);
  EXPECT_EQ(dropped.table().counts.duplicates, 2);
  EXPECT_THAT(refusal("duplicates = 'refuse'", kDeath), HasSubstr("line 6"))
      << "without the alias Temp is the first, in two units";
  transform_ = transform;
  EXPECT_THAT(refusal("duplicates = 'refuse'", kDeath), HasSubstr("line 4"));
  write("events.csv", "stay_id,time,variable,value,unit\na,0,HR,80,\na,1,Temp,37,degC\n");
  auto alone = source("", transform);
  dropped.fit({0});
  alone.fit({0});
  const Batch a = dropped.open({0})->load({0}), b = alone.open({0})->load({0});
  for (const char* input : {"values", "mask", "delta"}) {
    EXPECT_TRUE(at::equal(a.inputs.at(input), b.inputs.at(input))) << input;
  }
}

TEST_F(StaySourceTest, OnlyTheLabelsOfTheTaskMustBeAnswers) {
  write("labels.csv", "stay_id,sofa,death\na,9,0\nb,2,TRUE\nc,1,0.5\nd,3,1\n");
  const std::string place = "labels.csv line 4 column death (3): \"0.5\" is no answer";
  EXPECT_THAT(refusal("", kDeath), HasSubstr(place));
  EXPECT_THAT(refusal("label = 'death'", {TaskKind::kMultilabel, {"died"}}), HasSubstr(place));
  const Task score{TaskKind::kRegression, {"sofa"}};
  EXPECT_EQ(source("", kTransform, score).cases()[0].target, std::vector<float>{9});
  const Task level{TaskKind::kRegression, {"death"}};
  const auto levels = source("", kTransform, level);
  EXPECT_EQ(levels.cases()[1].target, std::vector<float>{1});
  EXPECT_EQ(levels.cases()[2].target, std::vector<float>{0.5F});
}

TEST_F(StaySourceTest, RefusesWhatTheDataDoNotHave) {
  EXPECT_THAT(refusal("label = 'deth'", kDeath), HasSubstr("they have death"));
  EXPECT_THAT(refusal("subgroups = ['Sex']", kDeath), HasSubstr("Age"));
  EXPECT_THAT(refusal("subgroups = ['Age:old']", kDeath), HasSubstr("end in a number"));
  EXPECT_THAT(refusal("future = 'keep'", kDeath), HasSubstr("must be one of"));
  EXPECT_THAT(refusal("", {TaskKind::kMultilabel, {"death", "sepsis"}}), HasSubstr("sepsis"));
}

TEST_F(StaySourceTest, WithoutStatisticsNothingIsGridded) {
  const auto stays = source();
  EXPECT_THROW(stays.open({0})->load({0}), Error);
}

TEST(StayTransformTest, AStepMayHaveAUnit) {
  const std::string text(kTransform);
  const auto step = [&](const std::string& value) {
    return StayTransform(Config::parse("step = " + value + "\n" + text, "t")).step();
  };
  EXPECT_EQ(step("'10 s'"), 10 / 3600.0);
  EXPECT_EQ(step("'5 min'"), 1 / 12.0);
  EXPECT_EQ(step("'0.5 h'"), 0.5);
  EXPECT_EQ(step("0.0027777"), 10 / 3600.0) << "whole seconds, as on the grid";
  EXPECT_DOUBLE_EQ(step("'20 ms'") * 3600, 0.02);
  EXPECT_DOUBLE_EQ(step("'360 Hz'") * 3600, 1 / 360.0);
}

TEST(StayTransformTest, StepsBelowASecondAreGriddedOnAFasterClock) {
  const std::string text(kTransform);
  StayTransform transform(Config::parse(
      "step = '360 Hz'\nsteps = 1000\n[[variables.variable]]\nname = 'II'\nmax_gap = '5 ms'\n",
      "t"));
  io::VitalsTable table;
  table.ids = table.patients = {"a"};
  table.variables = {{"II", ""}};
  for (const int sample : {0, 1, 2, 500, 999}) {
    table.time.push_back(sample / 360.0 / 3600);
    table.variable.push_back(0);
    table.value.push_back(static_cast<float>(sample));
  }
  table.offsets = {0, 5};
  transform.fit(table, {0});
  const StayTransform again(Config::parse(transform.toml(), "t"));
  const Batch batch = again.inputs(table, {0});
  EXPECT_EQ(batch.inputs.at("length").item<std::int64_t>(), 1000);
  const auto& mask = batch.inputs.at("mask");
  EXPECT_EQ(mask.sum().item<float>(), 5);
  EXPECT_EQ(mask[0][500][0].item<float>(), 1);
  const auto& delta = batch.inputs.at("delta");
  EXPECT_NEAR(delta[0][500][0].item<float>() * 3600, 498 / 360.0, 1e-6) << "in hours";
  EXPECT_THAT(again.measured_at(mask[0].narrow(0, 0, 5), 0), ElementsAre(0, 1, 2, 2, -1));
  EXPECT_EQ(again.bin(500.4 / 360 / 3600), 500);
  EXPECT_EQ(again.bin(-1e-6), -1);
  EXPECT_EQ(transform.toml(), again.toml());
}

TEST(StayTransformTest, ATransformKeepsItsWindows) {
  const auto parse = [](const std::string& windows, const char* source = "wfdb") {
    StayTransform transform(Config::parse(
        fmt::format("source = '{}'\n[[variables.variable]]\nname = 'II'\n[windows]\n{}", source,
                    windows),
        "t"));
    transform.fit({}, {});
    return transform;
  };
  const auto turn = parse("length = '10 s'\n[windows.labels]\n\"a b\" = ['V', '(AFIB']\n");
  ASSERT_TRUE(turn.windows());
  EXPECT_EQ(turn.windows()->every, 10);
  EXPECT_EQ(turn.windows()->labels[0].name, "a b");
  EXPECT_EQ(StayTransform(Config::parse(turn.toml(), "t")).toml(), turn.toml());
  const auto around = parse("before = '250 ms'\nafter = '0.5 s'\nannotator = 'qrs'");
  EXPECT_EQ(around.windows()->before, 0.25);
  EXPECT_EQ(around.windows()->annotator, "qrs");
  EXPECT_THAT(around.windows()->at, ::testing::Contains("N"));
  EXPECT_EQ(StayTransform(Config::parse(around.toml(), "t")).toml(), around.toml());
  for (const char* bad :
       {"length = 10", "length = '0 s'", "length = '10 s'\nat = ['N']", "every = '5 s'",
        "before = '0 s'", "length = '10 s'\n[windows.labels]\nx = []",
        "length = '1 s'\nannotator = '../x'"}) {
    EXPECT_THROW(parse(bad), UsageError) << bad;
  }
  EXPECT_THROW(parse("length = '10 s'", "long"), UsageError);
}

TEST(StayTransformTest, RefusesStatisticsThatDoNotFit) {
  const std::string text(kTransform);
  EXPECT_THROW(StayTransform(Config::parse(text + "[statistics]\nmean = [1]\nstddev = [1]\n", "t")),
               UsageError);
  EXPECT_THROW(StayTransform(Config::parse("modality = 'vitals'\nvariables = 'none.toml'", "t")),
               Error);
  for (const char* step : {"0", "1e-10", "'10'", "'10 m'", "'soon'", "'0 Hz'", "1e9"}) {
    EXPECT_THROW(
        StayTransform(Config::parse(
            fmt::format("step = {}\n{}", step, text.substr(text.find("[variables]"))), "t")),
        UsageError)
        << step;
  }
  EXPECT_THROW(
      StayTransform(Config::parse("steps = 0\n" + text.substr(text.find("[variables]")), "t")),
      UsageError);
}

}  // namespace
}  // namespace salus::data
