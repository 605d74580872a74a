#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace salus::io {

/// A table read whole, every cell as text; "" is missing. For manifests and small clinical tables.
struct TextTable {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;

  /// Position of a column, or -1.
  int column(const std::string& name) const;
};

/// CSV (RFC 4180, header, UTF-8) or Parquet, by content. Line numbers in errors count the header as 1.
/// \throws salus::Error naming file, row and column; an unequal number of cells, duplicate column
///         names and an empty file are errors.
TextTable read_table(const std::string& path);

}  // namespace salus::io
