#include "models/vitals/known_features.h"

#include <algorithm>
#include <limits>

#include "models/options.h"

namespace salus::models {

KnownFeatures KnownFeatures::of_spec(const ModelSpec& spec) {
  return {.variables = spec.variables,
          .statics = spec.statics,
          .per_step = spec.per_step,
          .summary = flag_option(spec, "summary"),
          .window = size_option(spec, "recent"),
          .clocks = spec.clocks};
}

std::map<std::string, std::string> known_options() {
  return {
      {"recent",
       "bins of a window: count, latest value, time since, change over the window, share of bins "
       "observed, and minimum, maximum and mean in the window of each variable beside the state "
       "(0: none)"},
      {"summary",
       "1: minimum, maximum, mean, first, last, slope and count of each variable "
       "beside the state (0)"}};
}

at::Tensor KnownFeatures::of(const Stays& stays) const {
  at::Tensor given = stays.statics.to(at::kFloat);
  if (per_step) given = given.unsqueeze(1).expand({-1, stays.values.size(1), -1});
  std::vector<at::Tensor> parts{given};
  if (summary) parts.push_back(per_step ? summarise_steps(stays) : summarise(stays));
  if (window > 0) {
    parts.push_back(per_step ? recent_steps(stays, window) : models::recent(stays, window));
  }
  if (!clocks.empty()) parts.push_back(since_clocks(stays));
  return at::cat(parts, -1);
}

/// float32 [N, C] at the last bin, of a stay without bins at the first; or, per step, [N, T, C].
at::Tensor KnownFeatures::since_clocks(const Stays& stays) const {
  const at::Tensor given = stays.statics.to(at::kDouble);
  at::Tensor bin = stays.length.to(given.device()).sub(1).clamp_min(0).to(at::kDouble);
  if (per_step) bin = at::arange(stays.values.size(1), given.options()).unsqueeze(0);
  std::vector<at::Tensor> since;
  for (const StaticClock& clock : clocks) {
    at::Tensor at = given.select(1, clock.column) * clock.scale + clock.offset;
    if (per_step) at = at.unsqueeze(1);
    since.push_back((bin - at).clamp_min(0).log1p().to(at::kFloat));
  }
  return at::stack(since, -1);
}

void KnownFeatures::put_clocks(double bin, float* known) const {
  float* to = known + clocks_at();
  for (const StaticClock& clock : clocks) {
    const double at = known[clock.column] * clock.scale + clock.offset;
    *to++ = static_cast<float>(std::log1p(std::max(bin - at, 0.0)));
  }
}

void KnownFeatures::mark_missing(float* known) const {
  for (std::int64_t f = 0; f < width(); ++f) {
    if (!present(known, f)) known[f] = std::numeric_limits<float>::quiet_NaN();
  }
}

at::Tensor KnownFeatures::present(const at::Tensor& known) const {
  at::Tensor is = at::ones_like(known, at::kBool);
  const auto group = [&](const at::Tensor& x, std::int64_t first, std::int64_t size) {
    return x.narrow(-1, first, size * variables).unflatten(-1, {variables, size});
  };
  if (summary) {
    const at::Tensor count = group(known, statics, kSummaries).select(-1, kCount);
    group(is, statics, kSummaries).narrow(-1, 0, kCount).copy_(count.ne(0).unsqueeze(-1));
  }
  if (window > 0) {
    const auto first = statics + summary_width();
    const at::Tensor numbers = group(known, first, kRecent), to = group(is, first, kRecent);
    const at::Tensor seen = numbers.select(-1, kSeen).ne(0).unsqueeze(-1);
    to.narrow(-1, kLast, kShare - kLast).copy_(seen);
    to.narrow(-1, kWindow, kWindowed)
        .logical_and_(numbers.select(-1, kSince).lt(in_window()).unsqueeze(-1));
  }
  return is;
}

bool KnownFeatures::present(const float* known, std::int64_t feature) const {
  std::int64_t at = feature - statics;
  if (at < 0) return true;
  if (at < summary_width()) {
    const auto place = at % kSummaries;
    return place == kCount || known[feature - place + kCount] != 0;
  }
  at -= summary_width();
  const bool age_or_clock = window == 0 || at >= kRecent * variables;
  if (age_or_clock) return true;
  const auto place = at % kRecent;
  const float* numbers = known + feature - place;
  if (place == kSeen || place == kShare) return true;
  const bool windowed = place >= kWindow && place < kWindow + kWindowed;
  return numbers[kSeen] != 0 && (!windowed || numbers[kSince] < in_window());
}

}  // namespace salus::models
