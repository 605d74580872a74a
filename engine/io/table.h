#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace salus::io {

/// A table read whole, every cell as text; "" is missing. For manifests and small clinical tables.
struct TextTable {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::int64_t> lines;  ///< of a CSV file: where each row begins, the header being 1

  /// "line 12" of a CSV file, "row 11" of another, for messages about a row.
  std::string where(std::size_t row) const;
  /// Position of a column, or -1.
  int column(const std::string& name) const;
};

/// CSV (RFC 4180, header, UTF-8) or Parquet, by content. Line numbers in errors count the header
/// as 1.
///
/// CSV: LF, CRLF or CR ends a line; a byte order mark is skipped; quoted cells may hold commas,
/// line ends and doubled quotes; empty lines are skipped unless the table has one column. Cells are
/// kept as they stand, blanks included. Parquet: integers and decimals as their digits, whole floats
/// below 1e15 as integers ("300000", and "0" of -0.0), others as the shortest text that reads back to
/// the same value ("0.1", "1e+20", "inf"), booleans as "1" and "0", dates and times as ISO 8601, bytes
/// as they are, null and NaN as "".
///
/// \throws salus::Error naming file, row and column; an unequal number of cells, duplicate column
///         names, nested Parquet columns, durations and an empty file are errors.
TextTable read_table(const std::string& path);

}  // namespace salus::io
