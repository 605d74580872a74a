#pragma once

#include <cstdint>
#include <vector>

#include "kernels/vitals_grid.h"

namespace salus::reference {

/// One row of a stay.
struct VitalsEvent {
  double hours;
  std::int64_t variable;
  double value;
};

/// One stay's grid, [T][D] row by row.
struct VitalsStay {
  std::vector<double> values, mask, delta;
  std::int64_t length = 0;
  std::vector<std::int64_t> counts;  ///< [D][3]
};

/// What kernels/vitals_grid.h promises for one stay, in float64, from the recurrences as they are
/// printed: delta step by step by equation 2 of Che et al. 2018, forward fill by looking back.
///
/// \param given_length  -1: from the events.
VitalsStay vitals_grid(const std::vector<VitalsEvent>& events, const kernels::VitalsGridSpec& spec,
                       std::int64_t given_length = -1);

}  // namespace salus::reference
