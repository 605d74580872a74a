#pragma once

#include <limits>
#include <string>

#include "engine/core/config.h"
#include "engine/io/vitals.h"

namespace salus::data {

/// What is done with rows of stays that are not as they should be. Keys of [data]; a bundle keeps them
/// as the table [transform.rows], so that stays are read by it as they were in training:
///
///   duplicates = "accept"   # accept, drop, refuse; and so unsorted (accept), future (drop). Rows of
///                           # one time and variable, by whichever of its names, are duplicates
///   latest = 48.0           # hours; later rows are future rows
struct RowRules {
  io::RowPolicy duplicates = io::RowPolicy::kAccept;
  io::RowPolicy unsorted = io::RowPolicy::kAccept;
  io::RowPolicy future = io::RowPolicy::kDrop;
  double latest = std::numeric_limits<double>::infinity();

  bool operator==(const RowRules&) const = default;
};

/// \param fallback  for keys that are not there.
/// \throws UsageError for a bad value.
RowRules read_row_rules(const Config& table, const RowRules& fallback = {});

/// As TOML, without a heading.
std::string row_rules_toml(const RowRules& rules);

}  // namespace salus::data
