// CSV by a parser of our own: Arrow's reader cannot name the line of an error in a file whose
// quoted cells hold line ends, and turns every cell into typed columns first.
#include <fmt/core.h>

#include <string_view>

#include "engine/io/error.h"
#include "engine/io/table_formats.h"

namespace salus::io {
namespace {

// Length of the UTF-8 sequence at the start of `text` (RFC 3629), or 0 if it is not one.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xf0 && byte(1) < 0x90);
  const bool surrogate = lead == 0xed && byte(1) > 0x9f;
  const bool too_large = lead == 0xf4 && byte(1) > 0x8f;
  return overlong || surrogate || too_large ? 0 : length;
}

class CsvParser {
 public:
  CsvParser(std::string_view text, const std::string& origin) : rest_(text), origin_(origin) {
    if (rest_.starts_with("\xff\xfe") || rest_.starts_with("\xfe\xff")) {
      throw Error(fmt::format("{} is UTF-16 text; save it as UTF-8 CSV.", origin_));
    }
    if (rest_.starts_with("\xef\xbb\xbf")) rest_.remove_prefix(3);
    check_text();
  }

  bool at_end() const { return rest_.empty(); }
  std::int64_t line() const { return line_; }

  // True if the line is empty, which is then left behind.
  bool skip_empty_line() { return accept_line_end(); }

  std::vector<std::string> record() {
    std::vector<std::string> cells;
    while (true) {
      cells.push_back(rest_.starts_with('"') ? quoted() : plain());
      if (accept_line_end() || rest_.empty()) return cells;
      if (rest_.front() != ',') {
        fail("has text after a closing quote; double the quotes inside a quoted cell");
      }
      rest_.remove_prefix(1);
    }
  }

 private:
  [[noreturn]] void fail(const std::string& reason) const {
    throw Error(fmt::format("{} line {} {}.", origin_, line_, reason));
  }

  void check_text() {
    std::int64_t line = 1;
    for (std::size_t at = 0; at < rest_.size();) {
      const std::size_t length = utf8_length(rest_.substr(at));
      if (length == 0 || rest_[at] == '\0') {
        throw Error(
            fmt::format("{} line {} is not UTF-8 text; it is no CSV or Parquet table, or was "
                        "saved in another encoding: save it as UTF-8 CSV.",
                        origin_, line));
      }
      line += rest_[at] == '\n';
      at += length;
    }
  }

  bool accept_line_end() {
    if (!rest_.starts_with('\n') && !rest_.starts_with('\r')) return false;
    rest_.remove_prefix(rest_.starts_with("\r\n") ? 2 : 1);
    ++line_;
    return true;
  }

  std::string plain() {
    const auto end = std::min(rest_.find_first_of(",\r\n"), rest_.size());
    std::string cell(rest_.substr(0, end));
    if (cell.find('"') != std::string::npos) {
      fail(
          "has a quote inside a cell that is not quoted; quote the whole cell and double the "
          "quote");
    }
    rest_.remove_prefix(end);
    return cell;
  }

  std::string quoted() {
    std::string cell;
    const std::int64_t first_line = line_;
    rest_.remove_prefix(1);
    while (true) {
      const auto end = rest_.find('"');
      if (end == std::string_view::npos) {
        line_ = first_line;
        fail("opens a quote that is never closed");
      }
      count_lines(rest_.substr(0, end));
      cell += rest_.substr(0, end);
      rest_.remove_prefix(end + 1);
      if (!rest_.starts_with('"')) return cell;
      cell += '"';
      rest_.remove_prefix(1);
    }
  }

  void count_lines(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      line_ +=
          text[i] == '\n' || (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n'));
    }
  }

  std::string_view rest_;
  const std::string& origin_;
  std::int64_t line_ = 1;
};

}  // namespace

TextTable parse_csv(const std::string& text, const std::string& origin) {
  CsvParser parser(text, origin);
  if (parser.at_end()) {
    throw Error(fmt::format("{} is empty; a table begins with a line of column names.", origin));
  }
  TextTable table;
  table.columns = parser.record();
  check_columns(table.columns, origin);
  while (!parser.at_end()) {
    if (table.columns.size() > 1 && parser.skip_empty_line()) continue;
    const std::int64_t line = parser.line();
    table.rows.push_back(parser.record());
    table.lines.push_back(line);
    if (table.rows.back().size() != table.columns.size()) {
      throw Error(
          fmt::format("{} line {} has {} cells where the header has {}; quote cells that hold "
                      "commas, or add what is missing.",
                      origin, line, table.rows.back().size(), table.columns.size()));
    }
  }
  return table;
}

}  // namespace salus::io
