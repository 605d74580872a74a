#include "engine/io/npy_header.h"

#include <fmt/core.h>

#include <charconv>
#include <string_view>

#include "engine/io/error.h"
#include "engine/io/numbers.h"

namespace salus::io {
namespace {

constexpr std::size_t kMaxDimensions = 64;  // NumPy's own limit

// Parser for the Python dictionary literal of a header: strings, booleans and tuples of integers.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& origin) : rest_(text), origin_(origin) {}

  NpyHeader parse() {
    NpyHeader header;
    bool has_descr = false, has_order = false, has_shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string key = string();
      expect(':');
      if (key == "descr" && !has_descr) {
        has_descr = true;
        set_dtype(header);
      } else if (key == "fortran_order" && !has_order) {
        has_order = true;
        header.fortran_order = boolean();
      } else if (key == "shape" && !has_shape) {
        has_shape = true;
        header.shape = tuple();
      } else {
        fail("has an unknown or repeated key in its header");
      }
      if (!accept(',') && peek() != '}') fail("has a header that is not a dictionary");
    }
    skip_space();
    if (!rest_.empty()) fail("has text after the dictionary of its header");
    if (!has_descr || !has_order || !has_shape) fail("lacks descr, fortran_order or shape");
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& reason) const {
    throw Error(
        fmt::format("{} {}; it is not a NumPy file that Salus can read, save it again with "
                    "numpy.save.",
                    origin_, reason));
  }

  void skip_space() {
    const auto first = rest_.find_first_not_of(" \t\n\r");
    rest_.remove_prefix(first == std::string_view::npos ? rest_.size() : first);
  }
  char peek() {
    skip_space();
    return rest_.empty() ? '\0' : rest_.front();
  }
  bool accept(char c) {
    if (peek() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(fmt::format("has a header without the expected '{}'", c));
  }
  bool accept_word(std::string_view word) {
    skip_space();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  std::string string() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') fail("has a header without the expected string");
    const auto end = rest_.find(quote, 1);
    if (end == std::string_view::npos) fail("has an unclosed string in its header");
    std::string text(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    return text;
  }

  bool boolean() {
    if (accept_word("True")) return true;
    if (!accept_word("False")) fail("has a fortran_order that is neither True nor False");
    return false;
  }

  std::vector<std::int64_t> tuple() {
    std::vector<std::int64_t> values;
    expect('(');
    while (!accept(')')) {
      skip_space();
      std::int64_t value = -1;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
      if (error != std::errc() || value < 0) fail("has a shape that is not made of sizes");
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      accept('L');  // Python 2 wrote 3L
      values.push_back(value);
      if (values.size() > kMaxDimensions) fail("has more than 64 dimensions");
      if (!accept(',') && peek() != ')') fail("has a shape that is not a tuple");
    }
    return values;
  }

  void set_dtype(NpyHeader& header) {
    if (peek() == '[') {
      fail(
          "holds records (a structured dtype), where plain arrays are read; save its fields as "
          "arrays of their own");
    }
    const std::string text = string();
    const char order = text.empty() ? '\0' : text[0];
    const bool has_order = order == '<' || order == '>' || order == '|' || order == '=';
    const std::string_view body = std::string_view(text).substr(has_order ? 1 : 0);
    const char kind = body.empty() ? '\0' : body[0];
    if (kind == 'O') {
      fail("holds pickled Python objects, which are never run; save plain numbers or strings");
    }
    if (body.size() < 2) fail(fmt::format("has the dtype '{}', which is not known here", text));
    std::int64_t size = -1;
    const auto [end, error] = std::from_chars(body.data() + 1, body.data() + body.size(), size);
    const std::string suffix(end, body.data() + body.size());
    const bool dated = kind == 'M' || kind == 'm';
    if (error != std::errc() || !known(kind, size) || (!dated && !suffix.empty())) {
      fail(fmt::format("has the dtype '{}', which is not known here", text));
    }
    header.item_size = kind == 'U' ? 4 * size : size;
    header.swap_size = kind == 'U' ? 4 : kind == 'c' ? size / 2 : kind == 'S' ? 1 : size;
    header.big_endian = order == '>' && header.swap_size > 1;
    header.dtype = (header.swap_size > 1 ? "<" : "|") + std::string(body);
  }

  static bool known(char kind, std::int64_t size) {
    switch (kind) {
      case 'b':
        return size == 1;
      case 'i':
      case 'u':
        return size == 1 || size == 2 || size == 4 || size == 8;
      case 'f':
        return size == 2 || size == 4 || size == 8 || size == 16;
      case 'c':
        return size == 8 || size == 16 || size == 32;
      case 'm':
      case 'M':
        return size == 8;
      case 'S':
      case 'U':
        return size >= 0 && size < (1 << 28);
      default:
        return false;
    }
  }

  std::string_view rest_;
  const std::string& origin_;
};

}  // namespace

NpyHeader parse_npy_header(std::span<const std::byte> bytes, const std::string& origin) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with("\x93NUMPY")) {
    throw Error(fmt::format("{} is not a NumPy file: it does not begin with \\x93NUMPY.", origin));
  }
  const auto truncated = [&] {
    return Error(
        fmt::format("{} ends inside its header; the file is truncated, save it again.", origin));
  };
  if (bytes.size() < 12) throw truncated();
  const int major = std::to_integer<int>(bytes[6]);
  if (major < 1 || major > 3) {
    throw Error(
        fmt::format("{} has NumPy format version {}; versions 1 to 3 are read.", origin, major));
  }
  const std::size_t prefix = major == 1 ? 10 : 12;
  const std::size_t length =
      major == 1 ? load_le<std::uint16_t>(bytes, 8) : load_le<std::uint32_t>(bytes, 8);
  if (bytes.size() - prefix < length) throw truncated();
  NpyHeader header = HeaderParser(text.substr(prefix, length), origin).parse();
  header.data_offset = prefix + length;
  return header;
}

}  // namespace salus::io
