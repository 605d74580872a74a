#include "models/vitals/known_features.h"

namespace salus::models {

at::Tensor KnownFeatures::of(const Stays& stays) const {
  at::Tensor given = stays.statics.to(at::kFloat);
  if (per_step) given = given.unsqueeze(1).expand({-1, stays.values.size(1), -1});
  std::vector<at::Tensor> parts{given};
  if (summary) parts.push_back(per_step ? summarise_steps(stays) : summarise(stays));
  if (window > 0) {
    parts.push_back(per_step ? recent_steps(stays, window) : models::recent(stays, window));
  }
  return at::cat(parts, -1);
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
    const at::Tensor seen = numbers.select(-1, 0).ne(0).unsqueeze(-1);
    to.narrow(-1, 1, 2).copy_(seen);
    to.narrow(-1, 3, 3).copy_(
        seen.logical_and(numbers.select(-1, 2).lt(in_window()).unsqueeze(-1)));
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
  const auto place = (at - summary_width()) % kRecent;
  if (feature == width() - 1) return true;
  const float* numbers = known + feature - place;
  if (place == 0) return true;
  return numbers[0] != 0 && (place < 3 || numbers[2] < in_window());
}

}  // namespace salus::models
