#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace salus::evaluate::testing {

/// tests/data/metrics/NAME.json, made by tests/support/golden/metrics.py.
inline nlohmann::json load_golden(const std::string& name) {
  std::ifstream file("tests/data/metrics/" + name + ".json");
  if (!file) throw std::runtime_error("tests/data/metrics/" + name + ".json is missing");
  return nlohmann::json::parse(file);
}

/// A number, or NaN for null.
inline double to_number(const nlohmann::json& value) {
  return value.is_null() ? std::nan("") : value.get<double>();
}

inline std::vector<double> to_numbers(const nlohmann::json& values) {
  std::vector<double> result;
  for (const auto& value : values) result.push_back(to_number(value));
  return result;
}

inline std::vector<std::vector<double>> to_rows(const nlohmann::json& values) {
  std::vector<std::vector<double>> result;
  for (const auto& row : values) result.push_back(to_numbers(row));
  return result;
}

/// Both absent, or equal within `tolerance` relative to 1.
inline ::testing::AssertionResult same_metric(double expected, double actual,
                                              double tolerance = 1e-9) {
  if (std::isnan(expected) && std::isnan(actual)) return ::testing::AssertionSuccess();
  if (std::abs(expected - actual) <= tolerance * std::max(1.0, std::abs(expected))) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << "expected " << expected << ", got " << actual;
}

/// The message of the Error that `f` throws, or "" if it throws none.
template <typename F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace salus::evaluate::testing
