#include <ATen/ops/isnan.h>
#include <gmock/gmock.h>

#include <cmath>

#include "engine/data/step_targets.h"
#include "tests/engine/data/stay_files.h"

namespace salus::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const Task kValues{TaskKind::kRegression, {"heart rate", "lactate"}};
const float kNone = std::nanf("");

/// Stay a: HR 60, 80 | 100 | - | 90 in bins 0, 1, 3 (the last value of a bin counts), lactate e and
/// e^3 in bins 1 and 2. Stay b has one HR.
class NextTargetsTest : public StayFiles {
 protected:
  NextTargetsTest()
      : StayFiles(R"(
modality = "vitals"
steps = 5
[variables]
[[variables.variable]]
name = "Lactate"
transform = "log"
[[variables.variable]]
name = "HR"
range = [10, 300]
)") {
    write("events.csv",
          "stay_id,time,variable,value\na,0.1,HR,60\na,0.9,HR,80\na,1,HR,100\na,3.5,HR,90\n"
          "a,1.5,Lactate,2.718281828\na,2,Lactate,20.08553692\na,2.2,HR,500\nb,0,HR,70\n");
  }

  StaySource source(const std::string& more = "") {
    auto stays = open("next = ['HR', 'Lactate']\n" + more, kValues);
    stays.fit({0});  // HR 80, 100, 90: mean 90, sd 10; ln lactate 1 and 3: mean 2, sd sqrt 2
    return stays;
  }
  void expect(const at::Tensor& target, int stay, int label, const std::vector<float>& expected) {
    for (std::size_t t = 0; t < expected.size(); ++t) {
      const float is = target[stay][static_cast<std::int64_t>(t)][label].item<float>();
      if (std::isnan(expected[t])) {
        EXPECT_TRUE(std::isnan(is)) << "bin " << t << ": " << is;
      } else {
        EXPECT_NEAR(is, expected[t], 1e-6) << "bin " << t;
      }
    }
  }
};

TEST_F(NextTargetsTest, AStepsTargetIsTheZScoreOfTheNextBin) {
  const at::Tensor target = source().open({0, 1})->load({0, 1}).target;
  ASSERT_EQ(target.sizes(), (std::vector<std::int64_t>{2, 5, 2}));
  const auto root = static_cast<float>(1 / std::sqrt(2.0));
  expect(target, 0, 0, {1, kNone, 0, kNone, kNone});  // 100, not plausible, 90
  expect(target, 0, 1, {-root, root, kNone, kNone, kNone});
  expect(target, 1, 0, {kNone, kNone, kNone, kNone, kNone});
}

TEST_F(NextTargetsTest, TheNextValueMayBeSeveralBinsAhead) {
  expect(source("ahead = 3\n").open({0})->load({0}).target, 0, 0, {0, kNone, kNone, kNone, kNone});
  EXPECT_TRUE(at::isnan(source("ahead = 9\n").open({0})->load({0}).target).all().item<bool>());
}

TEST_F(NextTargetsTest, OnlyStepsWithATargetAreRows) {
  const auto rows = source().open({0, 1})->targets({0, 1});
  EXPECT_EQ(rows.sizes(), (std::vector<std::int64_t>{3, 2}));
}

TEST_F(NextTargetsTest, ScalesLeadBackToTheUnitOfTheVariable) {
  const auto stays = source();
  const StayTransform transform(Config::parse(stays.transform_toml(), "bundle"));
  const auto scales = transform.value_scales();
  ASSERT_EQ(scales.size(), 2U);
  EXPECT_NEAR(scales[0].value(-1), 80, 1e-9);
  EXPECT_NEAR(scales[1].value(1 / std::sqrt(2.0)), std::exp(3.0), 1e-6);
  EXPECT_TRUE(std::isnan(scales[0].value(kNone)));
  EXPECT_NEAR((ValueScale{1, 2, kernels::GridTransform::kLog1p}.value(1)), std::expm1(3.0), 1e-12);
  EXPECT_EQ(open("", kValues, stays.transform_toml()).transform_toml(), stays.transform_toml());
}

TEST_F(NextTargetsTest, RefusesWhatCannotBeAsked) {
  EXPECT_THAT(refusal("next = ['HR', 'Lactat']\n", kValues),
              AllOf(HasSubstr("\"Lactat\""), HasSubstr("did you mean \"Lactate\"")));
  EXPECT_THAT(refusal("next = ['HR']\n", kValues), HasSubstr("2 outputs"));
  EXPECT_THAT(refusal("next = ['HR', 'Lactate']\nahead = 0\n", kValues), HasSubstr("at least 1"));
  EXPECT_THAT(refusal("ahead = 2\n", kValues), HasSubstr("needs the key \"next\""));
  EXPECT_THAT(refusal("next = ['HR', 'Lactate']\n", {TaskKind::kMultilabel, {"a", "b"}}),
              HasSubstr("regression"));
}

}  // namespace
}  // namespace salus::data
