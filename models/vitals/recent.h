#pragma once

#include "models/vitals/stays.h"

namespace salus::models {

/// Of each variable what a clinician asks at the bedside, at bin t of a window of W bins:
///   log(1 + n)   n observed bins so far
///   last         the latest observed value, however old
///   log(1 + b)   b bins since then, 0 at that bin
///   low, high, mean   of the observed bins among t - W + 1 to t
/// All but the first are 0 where never observed, the last three also where not observed in the window.
inline constexpr std::int64_t kRecent = 6;

/// After these of all variables log(1 + t), the age of the stay.
///
/// \param window  W, at least 1. \returns float32 [N, T, 6 D + 1], the six of a variable side by side.
at::Tensor recent_steps(const Stays& stays, std::int64_t window);

/// At the last bin of each stay, [N, 6 D + 1]; 0 of a stay without bins.
at::Tensor recent(const Stays& stays, std::int64_t window);

}  // namespace salus::models
