#pragma once

#include "models/vitals/stays.h"

namespace salus::models {

/// Per variable over its observed bins within the stay: minimum, maximum, mean, first, last, slope
/// per bin of a least-squares line and log(1 + count); all 0 where never observed, the slope also
/// where observed once.
inline constexpr std::int64_t kSummaries = 7;
inline constexpr std::int64_t kCount = 6;  ///< the place of the count among them, the last

/// Over the whole stay. \returns float32 [N, 7 D], the seven of a variable side by side.
at::Tensor summarise(const Stays& stays);

/// So far: over the bins 0 to t, for each t; the last step of a stay has summarise() of it.
/// \returns float32 [N, T, 7 D].
at::Tensor summarise_steps(const Stays& stays);

}  // namespace salus::models
