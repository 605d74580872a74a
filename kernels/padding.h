#pragma once

#include <cstdint>

#include "kernels/device.h"

namespace salus::kernels {

/// Rows are padded to whole vectors, which have at most 16 floats.
SALUS_HD constexpr std::int64_t padded16(std::int64_t count) { return (count + 15) / 16 * 16; }

}  // namespace salus::kernels
