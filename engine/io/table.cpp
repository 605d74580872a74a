#include "engine/io/table.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/table_formats.h"

namespace salus::io {

int TextTable::column(const std::string& name) const {
  const auto found = std::find(columns.begin(), columns.end(), name);
  return found == columns.end() ? -1 : static_cast<int>(found - columns.begin());
}

std::string TextTable::where(std::size_t row) const {
  return lines.empty() ? fmt::format("row {}", row + 1) : fmt::format("line {}", lines[row]);
}

void check_columns(const std::vector<std::string>& columns, const std::string& origin) {
  std::set<std::string> seen;
  for (const std::string& name : columns) {
    if (!seen.insert(name).second) {
      throw Error(
          fmt::format("{} has two columns named \"{}\"; rename one of them.", origin, name));
    }
  }
}

TextTable read_table(const std::string& path) {
  const std::string text = read_text(path, std::int64_t{2} << 30);
  if (text.starts_with("PAR1")) return read_parquet(path);
  return parse_csv(text, path);
}

}  // namespace salus::io
