#pragma once

#include <string>

#include "engine/data/row_rules.h"
#include "engine/data/variables.h"
#include "engine/io/vitals.h"

namespace salus::data {

/// What was met while stays were read and mapped, in one sentence for the user:
///
///   "Read 4,000 stays, 1,765,303 measurements; 12 duplicate rows (kept), 40 future rows (dropped); 17
///   values outside of their plausible range (HR, pH); 2 unknown variables (Foo, Bar: 310 rows,
///   dropped); 5 stays without a label."
///
/// \param rules  by which the table was read.
/// \returns "" if nothing is to be said beside stays, measurements and missing values; files that were
///          left out have been told.
std::string stay_remarks(const io::VitalsTable& table, const MapCounts& mapped,
                         const RowRules& rules);

}  // namespace salus::data
