#pragma once

#include <cstdint>
#include <string>

#include "engine/data/row_rules.h"
#include "engine/data/stay_transform.h"
#include "engine/data/variables.h"
#include "engine/io/vitals.h"

namespace salus::data {

/// "1,765,303".
std::string grouped(std::int64_t number);
/// "1 stay", "4,000 stays"; `rest` follows.
std::string several(std::int64_t number, const std::string& what, const std::string& rest = "");

/// Measurements of known variables that lie in none of the bins.
struct OffGrid {
  std::int64_t before = 0;  ///< the stay's beginning
  std::int64_t after = 0;   ///< the last bin
};

/// \param table  that VariableTable::map() has rewritten.
OffGrid count_off_grid(const io::VitalsTable& table, const StayTransform& transform);

/// What was met while stays were read and mapped, in one sentence for the user:
///
///   "Read 4,000 stays, 1,765,303 measurements; 12 duplicate rows (kept), 40 future rows (dropped); 17
///   values outside of their plausible range (HR, pH); 2 unknown variables (Foo, Bar: 310 rows,
///   dropped); 9 rows outside of the hours that the model sees (2 before them, 7 after them, dropped);
///   5 stays without a label."
///
/// \param rules  by which the table was read.
/// \returns "" if nothing is to be said beside stays, measurements and missing values; files that were
///          left out have been told.
std::string stay_remarks(const io::VitalsTable& table, const MapCounts& mapped,
                         const RowRules& rules, const OffGrid& off_grid = {});

}  // namespace salus::data
