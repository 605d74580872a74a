#include "engine/io/dicom_dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>

namespace salus::io::dicom {
namespace {

/// Longest text value that is read: DICOM's own maximum for the texts used here is 1024 characters.
constexpr std::uint64_t kMaxText = 1 << 16;

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\0' || c == '\n' || c == '\r'; };
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  return text;
}

/// DS and IS allow a leading plus sign, which from_chars does not.
double parse_number(std::string_view text) {
  text = trimmed(text);
  if (text.size() > 1 && text.front() == '+') text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  return value;
}

std::string_view raw_text(ByteSource& source, const Element& element) {
  const auto count = static_cast<std::size_t>(std::min(element.length, kMaxText));
  return {reinterpret_cast<const char*>(source.view(element.offset, count)), count};
}

/// Bytes of one binary value, 0 for text.
int binary_width(Vr vr) {
  switch (vr) {
    case vr_code("US"):
    case vr_code("SS"):
    case vr_code("OW"):
      return 2;
    case vr_code("UL"):
    case vr_code("SL"):
    case vr_code("FL"):
    case vr_code("OF"):
    case vr_code("OL"):
    case vr_code("AT"):
      return 4;
    case vr_code("FD"):
    case vr_code("OD"):
    case vr_code("OV"):
    case vr_code("UV"):
    case vr_code("SV"):
      return 8;
    default:
      return 0;
  }
}

double binary_value(Vr vr, std::uint64_t bits) {
  switch (vr) {
    case vr_code("SS"):
      return static_cast<std::int16_t>(bits);
    case vr_code("SL"):
      return static_cast<std::int32_t>(bits);
    case vr_code("SV"):
      return static_cast<double>(static_cast<std::int64_t>(bits));
    case vr_code("FL"):
    case vr_code("OF"):
      return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    case vr_code("FD"):
    case vr_code("OD"):
      return std::bit_cast<double>(bits);
    default:
      return static_cast<double>(bits);
  }
}

/// A private or wrong VR (UN, OB) is read as the dictionary says.
Vr effective_vr(const Element& element) {
  const bool opaque = element.vr == 0 || element.vr == vr_code("UN") ||
                      element.vr == vr_code("OB") || element.vr == vr_code("SQ");
  return opaque ? dictionary_vr(element.tag) : element.vr;
}

}  // namespace

Element::Element() = default;
Element::~Element() = default;
Element::Element(Element&&) noexcept = default;
Element& Element::operator=(Element&&) noexcept = default;

const Element* DataSet::find(Tag tag) const {
  for (auto it = elements_.rbegin(); it != elements_.rend(); ++it) {
    if (it->tag == tag) return &*it;
  }
  return nullptr;
}

const DataSet* DataSet::item(Tag sequence, std::size_t i) const {
  const Element* element = find(sequence);
  if (!element || !element->items || i >= element->items->size()) return nullptr;
  return &(*element->items)[i];
}

std::string text(ByteSource& source, const DataSet& data, Tag tag) {
  const Element* element = data.find(tag);
  if (!element || element->length == kUndefinedLength) return {};
  return std::string(trimmed(raw_text(source, *element)));
}

std::vector<std::string> texts(ByteSource& source, const DataSet& data, Tag tag) {
  std::vector<std::string> values;
  const std::string whole = text(source, data, tag);
  if (whole.empty()) return values;
  for (std::size_t begin = 0; begin <= whole.size();) {
    const std::size_t end = std::min(whole.find('\\', begin), whole.size());
    values.emplace_back(trimmed(std::string_view(whole).substr(begin, end - begin)));
    begin = end + 1;
  }
  return values;
}

std::vector<double> numbers(ByteSource& source, const DataSet& data, Tag tag, std::size_t limit) {
  const Element* element = data.find(tag);
  std::vector<double> values;
  if (!element || element->length == 0 || element->length == kUndefinedLength) return values;
  const Vr vr = effective_vr(*element);
  if (const int width = binary_width(vr)) {
    const auto count = static_cast<std::size_t>(
        std::min<std::uint64_t>(element->length / static_cast<unsigned>(width), limit));
    const std::byte* bytes = source.view(element->offset, count * static_cast<unsigned>(width));
    values.reserve(count);
    for (std::size_t i = 0; i < count; ++i, bytes += width) {
      values.push_back(binary_value(vr, load_uint(bytes, width, element->big_endian)));
    }
    return values;
  }
  std::string_view rest = raw_text(source, *element);
  if (trimmed(rest).empty()) return values;
  while (values.size() < limit) {
    const std::size_t end = rest.find('\\');
    values.push_back(parse_number(rest.substr(0, end)));
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return values;
}

std::optional<double> number(ByteSource& source, const DataSet& data, Tag tag) {
  const std::vector<double> values = numbers(source, data, tag, 1);
  if (values.empty()) return std::nullopt;
  if (std::isnan(values[0])) {
    source.fail(fmt::format("{} is not a number.", tag_name(tag)));
  }
  return values[0];
}

std::optional<std::int64_t> integer(ByteSource& source, const DataSet& data, Tag tag) {
  const std::optional<double> value = number(source, data, tag);
  if (!value) return std::nullopt;
  if (*value != std::floor(*value) || std::abs(*value) > 9e15) {
    source.fail(fmt::format("{} is {}, not a whole number.", tag_name(tag), *value));
  }
  return static_cast<std::int64_t>(*value);
}

std::string tag_text(Tag tag) { return fmt::format("({:04X},{:04X})", tag >> 16, tag & 0xFFFF); }

std::uint64_t load_uint(const std::byte* bytes, int count, bool big_endian) {
  std::uint64_t value = 0;
  for (int i = 0; i < count; ++i) {
    const int at = big_endian ? i : count - 1 - i;
    value = value << 8 | std::to_integer<std::uint64_t>(bytes[at]);
  }
  return value;
}

}  // namespace salus::io::dicom
