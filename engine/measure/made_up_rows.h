#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace salus::measure {

/// float32 [count, dim] whose values have no period within the rows.
at::Tensor made_up_rows(std::int64_t count, std::int64_t dim);

}  // namespace salus::measure
