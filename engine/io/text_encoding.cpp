#include "engine/io/text_encoding.h"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <string_view>

namespace salus::io {
namespace {

constexpr const char* kReplacement = "\xEF\xBF\xBD";

bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

/// Names of the sets of PS3.3 tables C.12-2 to C.12-5 in iconv.
const std::map<std::string, const char*>& iconv_names() {
  static const std::map<std::string, const char*> names{
      {"ISO_IR 100", "ISO-8859-1"}, {"ISO_IR 101", "ISO-8859-2"},
      {"ISO_IR 109", "ISO-8859-3"}, {"ISO_IR 110", "ISO-8859-4"},
      {"ISO_IR 144", "ISO-8859-5"}, {"ISO_IR 127", "ISO-8859-6"},
      {"ISO_IR 126", "ISO-8859-7"}, {"ISO_IR 138", "ISO-8859-8"},
      {"ISO_IR 148", "ISO-8859-9"}, {"ISO_IR 203", "ISO-8859-15"},
      {"ISO_IR 13", "SHIFT_JIS"},   {"ISO_IR 166", "TIS-620"},
      {"GB18030", "GB18030"},       {"GBK", "GBK"}};
  return names;
}

const char* iconv_name(std::string charset) {
  constexpr std::string_view kExtended = "ISO 2022 IR ";
  if (charset.starts_with(kExtended)) charset.replace(0, kExtended.size(), "ISO_IR ");
  const auto found = iconv_names().find(charset);
  return found == iconv_names().end() ? "UTF-8" : found->second;
}

/// For machines whose iconv lacks a set.
std::string ascii_only(const std::string& text) {
  std::string out;
  for (const char c : text) is_ascii(c) ? void(out += c) : void(out += kReplacement);
  return out;
}

std::string convert(const std::string& text, const char* from) {
  const iconv_t converter = iconv_open("UTF-8", from);
  if (converter == reinterpret_cast<iconv_t>(-1)) return ascii_only(text);
  std::string out, input = text;
  char* at = input.data();
  std::size_t left = input.size();
  while (left > 0) {
    std::array<char, 256> buffer;
    char* to = buffer.data();
    std::size_t room = buffer.size();
    const bool failed = iconv(converter, &at, &left, &to, &room) == static_cast<std::size_t>(-1);
    const bool full = failed && errno == E2BIG;
    out.append(buffer.data(), to);
    if (!failed || full) continue;
    out += kReplacement;
    ++at;
    --left;
  }
  iconv_close(converter);
  return out;
}

}  // namespace

std::string decode_text(const std::string& text, const std::string& charset) {
  if (std::all_of(text.begin(), text.end(), is_ascii)) return text;
  return convert(text, iconv_name(charset));
}

std::string valid_utf8(const std::string& text) { return decode_text(text, ""); }

}  // namespace salus::io
