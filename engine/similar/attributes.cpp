#include "engine/similar/attributes.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "engine/io/error.h"
#include "engine/similar/segment_format.h"

namespace salus::similar {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

template <typename T>
bool compare(Comparison comparison, const T& a, const T& b) {
  switch (comparison) {
    case Comparison::kEqual:
      return a == b;
    case Comparison::kNotEqual:
      return a != b;
    case Comparison::kLess:
      return a < b;
    case Comparison::kLessOrEqual:
      return a <= b;
    case Comparison::kGreater:
      return a > b;
    case Comparison::kGreaterOrEqual:
      return a >= b;
  }
  return false;
}

/// The comparison at the start of `text`, and how long it is; 0 for none.
std::pair<Comparison, std::size_t> comparison_at(std::string_view text) {
  static constexpr std::pair<std::string_view, Comparison> kSigns[] = {
      {"!=", Comparison::kNotEqual},       {"<=", Comparison::kLessOrEqual},
      {">=", Comparison::kGreaterOrEqual}, {"==", Comparison::kEqual},
      {"=", Comparison::kEqual},           {"<", Comparison::kLess},
      {">", Comparison::kGreater}};
  for (const auto& [sign, comparison] : kSigns) {
    if (text.starts_with(sign)) return {comparison, sign.size()};
  }
  return {Comparison::kEqual, 0};
}

}  // namespace

AttributeBuilder::AttributeBuilder(AttributeType type) {
  values_.name = std::move(type.name);
  values_.kind = type.kind;
}

bool AttributeBuilder::add(std::string_view cell) {
  if (values_.kind == AttributeKind::kNumber) {
    double value = 0;
    if (!parse_number(cell, value)) return false;
    values_.numbers.push_back(value);
    return true;
  }
  if (cell.empty()) {
    values_.codes.push_back(kNoText);
    return true;
  }
  const auto next = static_cast<std::uint32_t>(values_.dictionary.size());
  const auto [found, fresh] = codes_.try_emplace(std::string(cell), next);
  if (fresh) values_.dictionary.push_back(found->first);
  values_.codes.push_back(found->second);
  return true;
}

AttributeValues AttributeBuilder::take() { return std::move(values_); }

bool parse_number(std::string_view cell, double& value) {
  const std::string_view text = trimmed(cell);
  if (text.empty()) {
    value = std::numeric_limits<double>::quiet_NaN();
    return true;
  }
  const std::string_view digits = text.front() == '+' ? text.substr(1) : text;
  const char* end = digits.data() + digits.size();
  const auto [stopped, error] = std::from_chars(digits.data(), end, value);
  // Out of range is still a number: infinite or zero would be a guess, so it is refused.
  return error == std::errc() && stopped == end;
}

bool Condition::holds(double value) const {
  if (std::isnan(value)) return holds_for_missing();
  if (missing) return comparison == Comparison::kNotEqual;
  return compare(comparison, value, number);
}

bool Condition::holds(std::string_view value) const {
  // Both sides by one rule, here rather than when an index is written: so do indexes that exist.
  const std::string_view word = trimmed(value);
  if (word.empty()) return holds_for_missing();
  if (missing) return comparison == Comparison::kNotEqual;
  return compare(comparison, word, trimmed(text));
}

Condition parse_condition(const std::string& text, const Manifest& manifest) {
  const std::size_t sign = text.find_first_of("=!<>");
  const auto [comparison, length] = comparison_at(
      sign == std::string::npos ? std::string_view() : std::string_view(text).substr(sign));
  if (length == 0 || sign == 0) {
    throw UsageError(fmt::format(
        "The condition \"{}\" is not like site=A or age>=60; the comparisons are =, !=, <, <=, >, "
        ">=.",
        text));
  }
  Condition condition;
  condition.attribute = manifest.attribute(std::string(trimmed(text.substr(0, sign))));
  condition.kind = manifest.attributes[condition.attribute].kind;
  condition.comparison = comparison;
  condition.text = trimmed(std::string_view(text).substr(sign + length));
  condition.missing = condition.text.empty();
  const bool equality = comparison == Comparison::kEqual || comparison == Comparison::kNotEqual;
  if (condition.missing && !equality) {
    throw UsageError(fmt::format("The condition \"{}\" has no value to compare with.", text));
  }
  if (condition.kind == AttributeKind::kNumber && !parse_number(condition.text, condition.number)) {
    throw UsageError(
        fmt::format("The condition \"{}\" compares {}, which is a number, with \"{}\".", text,
                    manifest.attributes[condition.attribute].name, condition.text));
  }
  return condition;
}

}  // namespace salus::similar
