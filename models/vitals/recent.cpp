#include "models/vitals/recent.h"

#include <limits>

namespace salus::models {
namespace {

constexpr float kNever = std::numeric_limits<float>::max();

/// Largest of the last `window` bins, float32 [N, T, D].
at::Tensor rolling_max(const at::Tensor& x, std::int64_t window) {
  const at::Tensor padded = at::constant_pad_nd(x.transpose(1, 2), {window - 1, 0}, -kNever);
  return at::max_pool1d(padded, window, /*stride=*/1).transpose(1, 2);
}

/// x of `by` bins before, 0 before the first.
at::Tensor delayed(const at::Tensor& x, std::int64_t by) {
  const auto kept = std::max<std::int64_t>(x.size(1) - by, 0);
  return at::constant_pad_nd(x.narrow(1, 0, kept), {0, 0, x.size(1) - kept, 0});
}

/// Sum of the last `window` bins, float64 [N, T, D].
at::Tensor rolling_sum(const at::Tensor& x, std::int64_t window) {
  const at::Tensor sum = x.cumsum(1);
  return sum - delayed(sum, window);
}

}  // namespace

at::Tensor recent_steps(const Stays& stays, std::int64_t window) {
  const at::Tensor is = seen(stays);
  const at::Tensor values = stays.values.to(at::kFloat).masked_fill(~is, 0);
  const auto bins = at::arange(values.size(1), values.options().dtype(at::kLong)).view({1, -1, 1});
  const at::Tensor latest = std::get<0>(at::where(is, bins, 0).cummax(1));
  const at::Tensor count = is.cumsum(1), since = (bins - latest).to(at::kDouble).log1p();
  const at::Tensor inside = rolling_sum(is.to(at::kDouble), window);
  const at::Tensor mean = rolling_sum(values.to(at::kDouble), window) / inside.clamp_min(1);
  const at::Tensor low = -rolling_max((-values).masked_fill(~is, -kNever), window);
  const at::Tensor high = rolling_max(values.masked_fill(~is, -kNever), window);
  const at::Tensor never = count.eq(0), absent = inside.lt(0.5);
  const at::Tensor last = values.gather(1, latest);
  const at::Tensor before = values.gather(1, delayed(latest, window));
  const at::Tensor unchanged = delayed(count, window).eq(0);
  const at::Tensor numbers =
      at::stack({count.to(at::kDouble).log1p().to(at::kFloat), last.masked_fill(never, 0),
                 since.to(at::kFloat).masked_fill(never, 0), low.masked_fill(absent, 0),
                 high.masked_fill(absent, 0), mean.to(at::kFloat).masked_fill(absent, 0),
                 (last - before).masked_fill(unchanged, 0),
                 (count.to(at::kDouble) / (bins + 1)).to(at::kFloat)},
                -1)
          .flatten(-2);
  const at::Tensor age = bins.to(at::kDouble).log1p().to(at::kFloat);
  return at::cat({numbers, age.expand({values.size(0), -1, -1})}, -1);
}

at::Tensor recent(const Stays& stays, std::int64_t window) {
  const at::Tensor all = recent_steps(stays, window);
  const at::Tensor length = stays.length.to(all.device());
  const at::Tensor last = length.sub(1).clamp_min(0).view({-1, 1, 1}).expand({-1, 1, all.size(2)});
  return all.gather(1, last).squeeze(1).masked_fill(length.eq(0).unsqueeze(1), 0);
}

}  // namespace salus::models
