#include "engine/data/duration.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "engine/data/units.h"
#include "engine/io/error.h"

namespace salus::data {
namespace {

double parse_hours(const std::string& text, const std::string& where) {
  double number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(read.ptr, text.data() + text.size());
  if (read.ec == std::errc() && std::isfinite(number)) {
    if (const auto hours = convert_unit(unit, "h")) return (*hours)(number);
    if (const auto rate = convert_unit(unit, "1/min"); rate && number > 0) {
      return 1 / (60 * (*rate)(number));
    }
  }
  throw UsageError(
      fmt::format("{}: \"{}\" is no duration; write hours as a number or, as in \"10 s\", a number "
                  "with ms, s, min, h or d, or a rate in Hz.",
                  where, text));
}

}  // namespace

double read_hours(const Config& table, const std::string& key, double fallback) {
  if (!table.is_string(key)) return table.get_double(key, fallback);
  return parse_hours(table.get_string(key), table.where(key));
}

double read_seconds(const Config& table, const std::string& key) {
  if (!table.has(key)) return 0;
  const double seconds = parse_hours(table.get_string(key), table.where(key)) * 3600;
  if (seconds >= 0) return seconds;
  throw UsageError(fmt::format("{} must be 0 s or more.", table.where(key)));
}

}  // namespace salus::data
