#pragma once

#include <cmath>
#include <cstdint>

#include "engine/core/step_network.h"

namespace salus::models {

/// series_of() of one bin: values, mask and log(1 + delta) side by side, rows `row` floats apart.
inline void put_series(const StepInput& input, std::int64_t variables, std::int64_t row,
                       float* to) {
  for (std::int64_t i = 0; i < input.series; ++i, to += row) {
    const std::int64_t at = i * variables;
    for (std::int64_t j = 0; j < variables; ++j) {
      to[j] = input.values[at + j];
      to[variables + j] = input.mask[at + j];
      to[2 * variables + j] = std::log1p(input.delta[at + j]);
    }
  }
}

}  // namespace salus::models
