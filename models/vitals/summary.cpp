#include "models/vitals/summary.h"

namespace salus::models {
namespace {

constexpr double kNever = 1e30;

/// A batch with what is not observed taken out, [N, T, D].
struct Observed {
  at::Tensor is, values, time;  ///< bool; values and bin numbers (float64), 0 where not observed
};

Observed observed(const Stays& stays) {
  const at::Tensor is = seen(stays);
  const auto wide = stays.values.options().dtype(at::kDouble);
  const at::Tensor time = at::arange(stays.values.size(1), wide).view({1, -1, 1}).expand_as(is);
  return {is, stays.values.to(at::kDouble).masked_fill(~is, 0), time.masked_fill(~is, 0)};
}

/// What the summaries are made of, float64 [N, D], or [N, T, D] so far.
struct Moments {
  at::Tensor count, time, time_squares, values, products;  ///< sums over the observed bins
  at::Tensor low, high, first, last;                       ///< anything where none is observed
};

template <typename Sum>
Moments sums_of(const Observed& o, const Sum& sum) {
  return {.count = sum(o.is.to(at::kDouble)),
          .time = sum(o.time),
          .time_squares = sum(o.time.square()),
          .values = sum(o.values),
          .products = sum(o.time * o.values),
          .low = {},
          .high = {},
          .first = {},
          .last = {}};
}

/// float32 [..., 7 D].
at::Tensor summaries(const Moments& m) {
  const at::Tensor n = m.count.clamp_min(1), mean = m.values / n;
  // Two bins or more spread by at least 1/2; of one bin both numerator and spread are 0.
  const at::Tensor spread = (m.time_squares - m.time.square() / n).clamp_min(0.5);
  const at::Tensor slope = (m.products - m.time * mean) / spread;
  const at::Tensor all = at::stack({m.low, m.high, mean, m.first, m.last, slope}, -1);
  const at::Tensor kept = all.masked_fill(m.count.eq(0).unsqueeze(-1), 0);
  return at::cat({kept, m.count.log1p().unsqueeze(-1)}, -1).flatten(-2).to(at::kFloat);
}

/// The bin of the first observation, int64 [N, 1, D]; the last bin if there is none.
at::Tensor first_bin(const Observed& o) {
  const auto bins = o.is.size(1);
  const at::Tensor time = o.time.masked_fill(~o.is, static_cast<double>(bins - 1));
  return time.amin(1, /*keepdim=*/true).to(at::kLong);
}

}  // namespace

at::Tensor summarise(const Stays& stays) {
  const Observed o = observed(stays);
  Moments m = sums_of(o, [](const at::Tensor& x) { return x.sum(1); });
  m.low = o.values.masked_fill(~o.is, kNever).amin(1);
  m.high = o.values.masked_fill(~o.is, -kNever).amax(1);
  m.first = o.values.gather(1, first_bin(o)).squeeze(1);
  m.last = o.values.gather(1, o.time.amax(1, /*keepdim=*/true).to(at::kLong)).squeeze(1);
  return summaries(m);
}

at::Tensor summarise_steps(const Stays& stays) {
  const Observed o = observed(stays);
  Moments m = sums_of(o, [](const at::Tensor& x) { return x.cumsum(1); });
  m.low = std::get<0>(o.values.masked_fill(~o.is, kNever).cummin(1));
  m.high = std::get<0>(o.values.masked_fill(~o.is, -kNever).cummax(1));
  m.first = o.values.gather(1, first_bin(o)).expand_as(o.values);
  m.last = o.values.gather(1, std::get<0>(o.time.cummax(1)).to(at::kLong));
  return summaries(m);
}

}  // namespace salus::models
