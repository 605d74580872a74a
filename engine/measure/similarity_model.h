#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>

#include "kernels/similarity_scan_plan.h"

// What the cases of similarity and of k-means share.

namespace salus::measure {

/// An H100's, from which a search is planned for the model.
inline constexpr kernels::similarity::DeviceLimits kLimits{.processors = 132,
                                                           .shared_bytes = std::size_t{227} * 1024};

/// float32 [count, dim] whose values have no period within the rows.
at::Tensor made_up_rows(std::int64_t count, std::int64_t dim);

}  // namespace salus::measure
