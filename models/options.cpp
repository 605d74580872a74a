#include "models/options.h"

#include <fmt/format.h>

#include <cmath>

#include "engine/io/error.h"

namespace salus::models {

std::int64_t positive_option(const ModelSpec& spec, const std::string& key, std::int64_t fallback,
                             std::int64_t most, std::int64_t least) {
  const double value = spec.option(key, static_cast<double>(fallback));
  if (value >= static_cast<double>(least) && value <= static_cast<double>(most) &&
      value == std::floor(value)) {
    return static_cast<std::int64_t>(value);
  }
  throw UsageError(
      fmt::format("The option '{}' of the model '{}' is {}; it must be a whole number from {} to "
                  "{}.",
                  key, spec.name, value, least, most));
}

std::int64_t size_option(const ModelSpec& spec, const std::string& key) {
  return spec.option(key, 0) == 0 ? 0 : positive_option(spec, key, 1);
}

double fraction_option(const ModelSpec& spec, const std::string& key, double fallback) {
  const double value = spec.option(key, fallback);
  if (value >= 0 && value < 1) return value;
  throw UsageError(
      fmt::format("The option '{}' of the model '{}' is {}; it must be at least 0 and below 1.",
                  key, spec.name, value));
}

bool flag_option(const ModelSpec& spec, const std::string& key) {
  const double value = spec.option(key, 0);
  if (value == 0 || value == 1) return value == 1;
  throw UsageError(fmt::format("The option '{}' of the model '{}' is {}; it must be 0 or 1.", key,
                               spec.name, value));
}

}  // namespace salus::models
