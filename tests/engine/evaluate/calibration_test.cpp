#include "engine/evaluate/calibration.h"

#include <gmock/gmock.h>

#include "engine/evaluate/metrics.h"
#include "engine/io/error.h"
#include "tests/engine/evaluate/golden.h"

namespace salus::evaluate {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::load_golden;
using testing::same_metric;
using testing::to_numbers;
using testing::to_rows;
using Kind = Calibration::Kind;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(CalibrationTest, FitsEqualScipyAndScikitLearn) {
  const auto golden = load_golden("calibration")["binary"];
  ASSERT_EQ(golden.size(), 5u);
  for (const auto& g : golden) {
    SCOPED_TRACE(g["name"].get<std::string>());
    const auto logits = to_numbers(g["logits"]);
    const auto labels = g["labels"].get<std::vector<int>>();
    if (!g["temperature"].is_null()) {
      EXPECT_TRUE(same_metric(g["temperature"], fit_temperature(logits, labels).temperature, 1e-5));
    }
    const Calibration platt = fit_platt(logits, labels);
    EXPECT_TRUE(same_metric(g["slope"], platt.slope, 1e-5));
    EXPECT_TRUE(same_metric(g["intercept"], platt.intercept, 1e-5));
    const Calibration isotonic = fit_isotonic(logits, labels);
    for (std::size_t i = 0; i < g["at"].size(); ++i) {
      EXPECT_TRUE(same_metric(g["isotonic"][i], isotonic.apply(g["at"][i]), 1e-9)) << g["at"][i];
    }
  }
}

TEST(CalibrationTest, SoftmaxTemperatureEqualsScipy) {
  const auto g = load_golden("calibration")["softmax"];
  EXPECT_TRUE(same_metric(
      g["temperature"],
      fit_softmax_temperature(to_rows(g["logits"]), g["classes"].get<std::vector<int>>()), 1e-6));
}

TEST(CalibrationTest, TwoClassSoftmaxEqualsTheBinaryTemperature) {
  const std::vector<double> z = {-2, 3, 0.5, -0.25, 4, -1};
  const std::vector<int> y = {0, 1, 0, 1, 1, 0};
  std::vector<std::vector<double>> rows;
  for (const double v : z) rows.push_back({0, v});
  EXPECT_NEAR(fit_softmax_temperature(rows, y), fit_temperature(z, y).temperature, 1e-9);
}

TEST(CalibrationTest, TemperatureStaysBoundedOnSeparableAndOnReversedLogits) {
  EXPECT_DOUBLE_EQ(fit_temperature({-1, -2, 1, 2}, {0, 0, 1, 1}).temperature, kMinTemperature);
  EXPECT_DOUBLE_EQ(fit_temperature({-1, -2, 1, 2}, {1, 1, 0, 0}).temperature, kMaxTemperature);
  EXPECT_DOUBLE_EQ(fit_softmax_temperature({{0, 1}, {1, 0}}, {1, 0}), kMinTemperature);
}

TEST(CalibrationTest, PlattStaysFiniteOnSeparableLogits) {
  const Calibration c = fit_platt({-1, -2, 1, 2}, {0, 0, 1, 1});
  EXPECT_GT(c.slope, 0.1);
  EXPECT_LT(c.slope, 10);
  EXPECT_GT(c.apply(2), 0.7);
  EXPECT_LT(c.apply(2), 1);
}

TEST(CalibrationTest, PlattNeverReversesTheOrderOfCases) {
  const Calibration c = fit_platt({-1, -2, 1, 2}, {1, 1, 0, 0});
  EXPECT_DOUBLE_EQ(c.slope, 1 / kMaxTemperature);
  EXPECT_LT(c.apply(-2), c.apply(2));
  EXPECT_NEAR(c.apply(0), 0.5, 1e-6);
}

TEST(CalibrationTest, ConstantLogitsGiveThePrevalence) {
  const Calibration c = fit_platt({3, 3, 3, 3, 3}, {1, 0, 0, 0, 0});
  EXPECT_NEAR(c.apply(3), (2.0 / 3 + 4 * 1.0 / 6) / 5, 1e-6);
  EXPECT_NEAR(fit_isotonic({3, 3, 3, 3, 3}, {1, 0, 0, 0, 0}).apply(-7), 0.2, 1e-12);
}

TEST(CalibrationTest, IsotonicIsMonotoneAndNeverCertain) {
  std::vector<double> logits;
  std::vector<int> labels;
  for (int i = 0; i < 100; ++i) {
    logits.push_back((i * 37 % 100) / 10.0 - 5);
    labels.push_back(i * 37 % 100 > 30 + i % 40);
  }
  const Calibration c = fit_isotonic(logits, labels);
  double last = 0;
  for (double z = -8; z < 8; z += 0.05) {
    EXPECT_GE(c.apply(z), last);
    last = c.apply(z);
  }
  EXPECT_DOUBLE_EQ(c.apply(-100), 1.0 / 102);
  EXPECT_DOUBLE_EQ(c.apply(100), 1 - 1.0 / 102);
}

TEST(CalibrationTest, CalibratingLowersTheLogLossOfOverconfidentLogits) {
  const auto g = load_golden("calibration")["binary"][0];
  const auto logits = to_numbers(g["logits"]);
  const auto labels = g["labels"].get<std::vector<int>>();
  const auto log_loss = [&](const Calibration& c) {
    std::vector<double> p;
    for (const double z : logits) p.push_back(c.apply(z));
    return binary_metrics(p, to_targets(labels)).log_loss;
  };
  const double raw = log_loss({});
  for (const Kind kind : {Kind::kTemperature, Kind::kPlatt, Kind::kIsotonic}) {
    EXPECT_LT(log_loss(fit_calibration(kind, logits, labels)), raw) << to_string(kind);
  }
  EXPECT_EQ(log_loss(fit_calibration(Kind::kNone, logits, labels)), raw);
}

TEST(CalibrationTest, ApplyKeepsNanAndSurvivesHugeLogits) {
  EXPECT_TRUE(std::isnan(Calibration{}.apply(kNan)));
  EXPECT_EQ(Calibration{}.apply(1e6), 1);
  EXPECT_EQ(Calibration{}.apply(-1e6), 0);
  EXPECT_EQ(Calibration{}.apply(0), 0.5);
}

TEST(CalibrationTest, RejectsAnAbsentClass) {
  for (const Kind kind : {Kind::kTemperature, Kind::kPlatt, Kind::kIsotonic}) {
    EXPECT_THAT(error_of([&] { fit_calibration(kind, {1, 2}, {1, 1}); }),
                HasSubstr("both classes, but of 2 cases 2 are positive"));
    EXPECT_THROW(fit_calibration(kind, {}, {}), Error);
  }
}

TEST(CalibrationTest, RejectsNonFiniteLogitsOddLabelsAndUnequalLengths) {
  EXPECT_THAT(error_of([] { fit_platt({1, kNan}, {0, 1}); }), HasSubstr("case 1 is nan"));
  EXPECT_THAT(error_of([] { fit_temperature({1, 2}, {0, 3}); }), HasSubstr("case 1 is 3"));
  EXPECT_THAT(error_of([] { fit_isotonic({1, 2}, {0}); }), HasSubstr("2 logits but 1 labels"));
}

TEST(CalibrationTest, RejectsMalformedSoftmaxInput) {
  EXPECT_THROW(fit_softmax_temperature({}, {}), Error);
  EXPECT_THAT(error_of([] { fit_softmax_temperature({{1, 2}, {1}}, {0, 0}); }),
              HasSubstr("case 1 has 1 logits, but case 0 has 2"));
  EXPECT_THAT(error_of([] { fit_softmax_temperature({{1, 2}}, {2}); }), HasSubstr("outside 0..1"));
  EXPECT_THROW(fit_softmax_temperature({{1, kNan}}, {0}), Error);
}

TEST(CalibrationTest, RejectsAnIsotonicMapWithoutKnots) {
  Calibration c;
  c.kind = Kind::kIsotonic;
  EXPECT_THROW(c.apply(0), Error);
}

TEST(CalibrationTest, KindsReadBackFromTheirNames) {
  for (const Kind kind : {Kind::kNone, Kind::kTemperature, Kind::kPlatt, Kind::kIsotonic}) {
    EXPECT_EQ(parse_calibration_kind(to_string(kind)), kind);
  }
  EXPECT_THROW(parse_calibration_kind("sigmoid"), UsageError);
}

}  // namespace
}  // namespace salus::evaluate
