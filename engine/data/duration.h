#pragma once

#include <string>

#include "engine/core/config.h"

namespace salus::data {

/// Hours of "10 s", "250 ms", "5 min", "2 d" or of the period of a rate, "360 Hz"; of a plain number,
/// which is hours. `fallback` where the key is absent.
/// \throws UsageError for anything else.
double read_hours(const Config& table, const std::string& key, double fallback);

/// Seconds of such a text, at least 0; a number without a unit is refused. 0 where the key is absent.
double read_seconds(const Config& table, const std::string& key);

}  // namespace salus::data
