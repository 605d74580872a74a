#include "engine/data/units.h"

#include <gtest/gtest.h>

namespace salus::data {
namespace {

double converted(double value, const std::string& from, const std::string& to,
                 double molar_mass = 0, double valence = 1) {
  const auto conversion = convert_unit(from, to, molar_mass, valence);
  EXPECT_TRUE(conversion.has_value()) << from << " to " << to;
  return conversion ? (*conversion)(value) : -1;
}

TEST(UnitsTest, TemperaturesHaveAnOffset) {
  EXPECT_NEAR(converted(98.6, "degF", "degC"), 37, 1e-12);
  EXPECT_NEAR(converted(37, "degC", "degF"), 98.6, 1e-12);
  EXPECT_NEAR(converted(0, "°C", "K"), 273.15, 1e-12);
  EXPECT_NEAR(converted(310.15, "kelvin", "celsius"), 37, 1e-12);
  EXPECT_NEAR(converted(32, "°F", "K"), 273.15, 1e-10);
}

TEST(UnitsTest, ConcentrationsConvertByMolarMass) {
  // Table 1 of the SI conversions that laboratories print: glucose 0.0555, creatinine 88.4.
  EXPECT_NEAR(converted(100, "mg/dL", "mmol/L", 180.156), 5.551, 1e-3);
  EXPECT_NEAR(converted(5.551, "mmol/L", "mg/dL", 180.156), 100, 0.01);
  EXPECT_NEAR(converted(1, "mg/dL", "µmol/L", 113.12), 88.4, 0.01);
  EXPECT_NEAR(converted(1, "mg/dL", "umol/L", 584.66), 17.1, 0.01);    // bilirubin
  EXPECT_NEAR(converted(14, "mg/dL", "mmol/L", 28.014), 4.998, 1e-3);  // urea nitrogen
  EXPECT_NEAR(converted(9, "mg/dL", "mmol/L", 40.078), 2.246, 1e-3);   // calcium
}

TEST(UnitsTest, EquivalentsCountCharges) {
  EXPECT_NEAR(converted(140, "mEq/L", "mmol/L"), 140, 1e-12);
  EXPECT_NEAR(converted(2, "mEq/L", "mmol/L", 0, 2), 1, 1e-12);
  EXPECT_NEAR(converted(1.7, "mEq/L", "mg/dL", 24.305, 2), 2.066, 1e-3);  // magnesium
}

TEST(UnitsTest, OthersConvertByAFactor) {
  EXPECT_NEAR(converted(1, "kPa", "mmHg"), 7.50062, 1e-5);
  EXPECT_NEAR(converted(10, "cmH2O", "mmHg"), 7.35559, 1e-5);
  EXPECT_NEAR(converted(40, "%", "fraction"), 0.4, 1e-12);
  EXPECT_NEAR(converted(150, "lb", "kg"), 68.0389, 1e-4);
  EXPECT_NEAR(converted(70, "in", "cm"), 177.8, 1e-9);
  EXPECT_NEAR(converted(4500, "cells/uL", "10^9/L"), 4.5, 1e-12);
  EXPECT_NEAR(converted(7.2, "K/µL", "cells/nL"), 7.2, 1e-12);
  EXPECT_NEAR(converted(3.5, "g/dL", "g/L"), 35, 1e-12);
  EXPECT_NEAR(converted(14, "ng/L", "ng/mL"), 0.014, 1e-12);
  EXPECT_NEAR(converted(1, "ukat/L", "U/L"), 60, 1e-12);
  EXPECT_NEAR(converted(1.5, "Hz", "bpm"), 90, 1e-12);
  EXPECT_NEAR(converted(250, "µV", "mV"), 0.25, 1e-12);
  EXPECT_NEAR(converted(90, "min", "h"), 1.5, 1e-12);
  EXPECT_NEAR(converted(1.2, "L", "mL"), 1200, 1e-9);
}

TEST(UnitsTest, EveryConversionHasItsInverse) {
  for (const auto& [a, b] : {std::pair{"degF", "degC"},
                             {"K", "degF"},
                             {"mg/dL", "mmol/L"},
                             {"mEq/L", "g/L"},
                             {"kPa", "mmHg"},
                             {"years", "days"}}) {
    const double there = converted(7.3, a, b, 40.078, 2);
    EXPECT_NEAR(converted(there, b, a, 40.078, 2), 7.3, 1e-9) << a << " " << b;
  }
}

TEST(UnitsTest, SpellingDoesNotMatter) {
  EXPECT_NEAR(converted(1, "MG/DL", "mg / L"), 10, 1e-12);
  EXPECT_NEAR(converted(1, "μg/L", "ng/mL"), 1, 1e-12);  // Greek mu
  EXPECT_NEAR(converted(1, "µg/L", "ug/L"), 1, 1e-12);   // micro sign
}

TEST(UnitsTest, WhatMeasuresSomethingElseIsNotConverted) {
  EXPECT_FALSE(convert_unit("mg/dL", "mmol/L"));  // of what?
  EXPECT_FALSE(convert_unit("degC", "mmHg"));
  EXPECT_FALSE(convert_unit("kg", "g/L"));
  EXPECT_FALSE(convert_unit("points", "mmHg"));
  EXPECT_FALSE(convert_unit("", "mmHg"));
  EXPECT_TRUE(convert_unit("points", "points"));
  EXPECT_TRUE(convert_unit("", ""));
  EXPECT_TRUE(is_unit("mmHg"));
  EXPECT_FALSE(is_unit("points"));
}

}  // namespace
}  // namespace salus::data
