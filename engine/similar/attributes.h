#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/similar/manifest.h"

namespace salus::similar {

/// The values of one attribute for many rows.
struct AttributeValues {
  std::string name;
  AttributeKind kind = AttributeKind::kNumber;
  std::vector<double> numbers;          ///< kNumber; NaN where missing
  std::vector<std::uint32_t> codes;     ///< kText: place in `dictionary`, or kNoText
  std::vector<std::string> dictionary;  ///< kText: each value once, in order of appearance
};

/// Collects values row by row.
class AttributeBuilder {
 public:
  explicit AttributeBuilder(AttributeType type);
  /// "" is missing. \returns false if the attribute is a number and `cell` is none.
  bool add(std::string_view cell);
  void add_number(double value) { values_.numbers.push_back(value); }
  AttributeValues take();

 private:
  AttributeValues values_;
  std::unordered_map<std::string, std::uint32_t> codes_;
};

/// The number that the whole of `cell` writes; false if it writes none. "" is NaN.
bool parse_number(std::string_view cell, double& value);

/// One comparison of a filter.
enum class Comparison { kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };

/// What rows must satisfy: an attribute against a value. A row whose attribute is missing satisfies
/// none, but `name=` (nothing after it) asks for the missing ones and `name!=` for the others.
/// Numbers compare as numbers, text by its bytes (so ISO dates compare as dates). Spaces and tabs
/// around text count on neither side, that of the row and that of the condition: " A " equals "A", and
/// text of nothing else is missing.
struct Condition {
  std::size_t attribute = 0;
  AttributeKind kind = AttributeKind::kNumber;
  Comparison comparison = Comparison::kEqual;
  std::string text;
  double number = 0;     ///< `text` as a number, for number attributes
  bool missing = false;  ///< `text` is ""

  bool holds(double value) const;
  bool holds(std::string_view value) const;
  bool holds_for_missing() const { return missing && comparison == Comparison::kEqual; }
};

/// Parses "site=A", "age>=60", "view!=AP": =, !=, <, <=, >, >=; == is =.
/// \throws UsageError naming what is wrong: no comparison, an attribute that the index does not
/// have
///         (and the nearest one), a number attribute against text.
Condition parse_condition(const std::string& text, const Manifest& manifest);

}  // namespace salus::similar
