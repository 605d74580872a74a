#pragma once

// Internal to vitals*.cpp: labels of steps, settled as the measurements are.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/io/vitals_rows.h"

namespace salus::io {

/// Rows of labels of one stay, in the order of their source.
struct StepRows {
  std::vector<double> time;         ///< [rows]
  std::vector<float> labels;        ///< [rows, K]; NaN is missing
  std::vector<std::int64_t> place;  ///< [rows] where it stands in the source
  std::vector<bool> counted;        ///< [rows] whether its measurements are counted among the rows
};

/// Applies the policies to the labels of a stay, puts them in order of time and appends them to it.
/// Of rows of one time, unless they are refused, each label is the last that is stated. Counts rows
/// that are not counted otherwise.
/// \param where  names a place as errors do: "FILE line 12".
/// \throws salus::Error for rows that are to be refused.
void settle_steps(const StepRows& steps, const VitalsOptions& options,
                  const std::function<std::string(std::int64_t place)>& where, VitalsCounts& counts,
                  StayRows& stay);

}  // namespace salus::io
