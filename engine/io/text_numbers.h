#pragma once

#include <charconv>
#include <optional>
#include <string_view>

namespace salus::io {

/// "12.5" -> 12.5; nothing if it is not wholly a finite decimal number.
template <typename T>
std::optional<T> parse_finite(std::string_view text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value - value == 0)) {
    return std::nullopt;
  }
  return value;
}

/// True for the ways in which tables write that a number is missing.
inline bool is_missing(std::string_view text) {
  return text.empty() || text == "NaN" || text == "nan" || text == "NA";
}

}  // namespace salus::io
