#pragma once

// Tables of numbers about stays, beside their events.

#include <cstdint>
#include <string>
#include <vector>

#include "engine/io/vitals.h"

namespace salus::io {

/// A table with a stay per row, some columns of text and else numbers.
struct NumberTable {
  std::string path;
  std::vector<std::string> names;               ///< of the columns of numbers, in their order
  std::vector<std::string> ids;                 ///< [rows]
  std::vector<std::string> places;              ///< [rows] "line 12", as errors name it
  std::vector<std::vector<std::string>> texts;  ///< [rows, text columns]
  std::vector<bool> has_text;                   ///< [text columns]: the table has that column
  std::vector<float> numbers;                   ///< [rows, names]; NaN is missing
};

/// Reads a table (io/table.h): `id_column`, those of `text_columns` that are there (others read as
/// ""), and numbers. The words true and false, in any case, are 1 and 0, as Parquet's booleans are.
/// \param missing  a number that stands for missing; NaN for none.
/// \param yes_no   as VitalsOptions::yes_no.
/// \throws salus::Error naming file, line and column.
NumberTable read_numbers(const std::string& path, const std::string& id_column,
                         const std::vector<std::string>& text_columns, float missing,
                         const std::vector<std::string>& yes_no = {});

/// Whether a value may stand in a column of VitalsOptions::yes_no: 0, 1 or NaN.
bool answers_yes_or_no(float value);

/// Puts the rows of tables with equal columns to the stays of their ids, as labels of the stay.
/// Stays without a row get NaN and rows without a stay are left out; both are counted.
/// \throws salus::Error if a stay has two rows or the tables differ in their columns.
void attach_labels(const std::vector<NumberTable>& tables, VitalsTable& table);

}  // namespace salus::io
