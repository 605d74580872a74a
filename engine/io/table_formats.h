#pragma once

#include <string>

#include "engine/io/table.h"

namespace salus::io {

/// Parses CSV text; `origin` names it in errors. See read_table.
TextTable parse_csv(const std::string& text, const std::string& origin);

/// Reads a Parquet file; see read_table for how values become text.
TextTable read_parquet(const std::string& path);

/// \throws salus::Error naming `origin` if two columns have one name.
void check_columns(const std::vector<std::string>& columns, const std::string& origin);

}  // namespace salus::io
