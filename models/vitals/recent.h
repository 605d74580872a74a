#pragma once

#include "models/vitals/stays.h"

namespace salus::models {

/// Of each variable what a clinician asks at the bedside, at bin t of a window of W bins:
///   log(1 + n)   n observed bins so far
///   last         the latest observed value, however old
///   log(1 + b)   b bins since then, 0 at that bin
///   low, high, mean   of the observed bins among t - W + 1 to t
///   change       last less the latest observed value of bin t - W
///   n / (t + 1)  the share of bins that were observed
/// All but the first and the last are 0 where never observed; low, high and mean also where not observed
/// in the window, change also where not observed up to bin t - W.
inline constexpr std::int64_t kRecent = 8;
/// Places among them; the kWindowed from kWindow on are those of the observed bins in the window.
inline constexpr std::int64_t kSeen = 0, kLast = 1, kSince = 2, kWindow = 3, kWindowed = 3,
                              kChange = 6, kShare = 7;

/// After these of all variables log(1 + t), the age of the stay.
///
/// \param window  W, at least 1. \returns float32 [N, T, 8 D + 1], the eight of a variable side by side.
at::Tensor recent_steps(const Stays& stays, std::int64_t window);

/// At the last bin of each stay, [N, 8 D + 1]; 0 of a stay without bins.
at::Tensor recent(const Stays& stays, std::int64_t window);

}  // namespace salus::models
