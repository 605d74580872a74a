#include "models/vitals/quantile_bins.h"

#include <algorithm>
#include <cmath>

namespace salus::models {
namespace {

constexpr std::int64_t kGrain = 16;  ///< rows that a thread takes at a time at least
constexpr double kNearest = 1e-3;    ///< standard deviations between two knots at least

/// Distinct quantiles of ascending values, `bins` + 1 at most.
std::vector<float> distinct_quantiles(const std::vector<float>& sorted, std::int64_t bins) {
  double sum = 0, squares = 0;
  for (const double value : sorted) sum += value, squares += value * value;
  const double n = static_cast<double>(sorted.size()), mean = sum / n;
  const double apart = kNearest * std::sqrt(std::max(squares / n - mean * mean, 0.0));
  std::vector<float> knots;
  for (std::int64_t i = 0; i <= bins; ++i) {
    const double at = static_cast<double>(i) / static_cast<double>(bins) * (n - 1);
    const auto low = static_cast<std::size_t>(at), high = std::min(low + 1, sorted.size() - 1);
    const double rest = at - static_cast<double>(low);
    const auto value = static_cast<float>((1 - rest) * sorted[low] + rest * sorted[high]);
    if (knots.empty() || (value > knots.back() && value - knots.back() >= apart)) {
      knots.push_back(value);
    }
  }
  return knots;
}

std::vector<float> sorted_values(const at::Tensor& column, const at::Tensor& present) {
  const at::Tensor kept = std::get<0>(column.masked_select(present).sort());
  const float* first = kept.const_data_ptr<float>();
  return {first, first + kept.numel()};
}

/// forward() without a gradient, rows in parallel.
at::Tensor by_row(const QuantileBinsImpl& bins, const at::Tensor& values,
                  const at::Tensor& present) {
  const at::Tensor from = values.contiguous(), is = present.contiguous();
  auto shape = values.sizes().vec();
  const std::int64_t features = shape.back(), width = bins.width();
  shape.back() = width;
  at::Tensor to = at::empty(shape, from.options());
  const QuantileBinsRow row(bins);
  const float* x = from.const_data_ptr<float>();
  const bool* seen = is.const_data_ptr<bool>();
  float* y = to.mutable_data_ptr<float>();
  at::parallel_for(0, from.numel() / features, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const bool* has = seen + i * features;
      row(x + i * features, [has](std::int64_t f) { return has[f]; }, y + i * width);
    }
  });
  return to;
}

}  // namespace

QuantileBinsImpl::QuantileBinsImpl(std::int64_t features, std::int64_t bins, BinForm form)
    : knots(register_buffer("knots", at::zeros({features, bins + 1}))),
      count(register_buffer("count", at::zeros({features}))),
      form_(form) {}

std::int64_t QuantileBinsImpl::width() const {
  return knots.size(0) * (form_ == BinForm::kPlace ? 2 : knots.size(1) - 1);
}

void QuantileBinsImpl::to(torch::Device device, torch::Dtype dtype, bool non_blocking) {
  to(device, non_blocking);
}

void QuantileBinsImpl::to(torch::Device device, bool non_blocking) {
  torch::nn::Module::to(device, non_blocking);
}

void QuantileBinsImpl::fit(const at::Tensor& rows, const at::Tensor& present) {
  const at::NoGradGuard guard;
  const at::Tensor columns = rows.t().contiguous(), seen = present.t().contiguous();
  for (std::int64_t f = 0; f < knots.size(0); ++f) {
    const auto sorted = sorted_values(columns[f], seen[f]);
    if (sorted.empty()) continue;
    auto found = distinct_quantiles(sorted, knots.size(1) - 1);
    count[f].fill_(static_cast<double>(found.size()));
    found.resize(static_cast<std::size_t>(knots.size(1)), found.back());
    knots[f].copy_(at::tensor(found));
  }
}

at::Tensor QuantileBinsImpl::forward(const at::Tensor& values, const at::Tensor& present) {
  if (values.is_cpu() && !values.requires_grad()) return by_row(*this, values, present);
  const at::Tensor known = present.logical_and(count.gt(1));
  return form_ == BinForm::kPlace ? places(values, known) : pieces(values, known);
}

at::Tensor QuantileBinsImpl::pieces(const at::Tensor& values, const at::Tensor& known) const {
  const auto bins = knots.size(1) - 1;
  const at::Tensor low = knots.narrow(1, 0, bins), width = knots.narrow(1, 1, bins) - low;
  const at::Tensor into = (values.unsqueeze(-1) - low) / width.masked_fill(width.le(0), 1);
  const at::Tensor none = known.unsqueeze(-1).logical_and(width.gt(0)).logical_not();
  return into.clamp(0, 1).masked_fill(none, 0).flatten(-2);
}

at::Tensor QuantileBinsImpl::places(const at::Tensor& values, const at::Tensor& known) const {
  const at::Tensor flat = values.flatten(0, -2).t().contiguous();  // [F, R]
  const at::Tensor inside = flat.maximum(knots.narrow(1, 0, 1)).minimum(knots.narrow(1, -1, 1));
  const at::Tensor last = (count - 2).clamp_min(0).to(at::kLong).unsqueeze(1);
  at::Tensor left = at::searchsorted(knots, inside.detach(), /*out_int32=*/false, /*right=*/true);
  left = left.sub(1).clamp_min(0).minimum(last);
  const at::Tensor low = knots.gather(1, left), width = knots.gather(1, left + 1) - low;
  const at::Tensor within = (inside - low) / width.masked_fill(width.le(0), 1);
  const at::Tensor bins = (count - 1).clamp_min(1).unsqueeze(1);
  const at::Tensor place = ((left + within) * (2 / bins) - 1).t().view(values.sizes());
  return at::cat({values.clamp(-kLimit, kLimit), place.masked_fill(~known, 0)}, -1);
}

QuantileBinsRow::QuantileBinsRow(const QuantileBinsImpl& bins)
    : form_(bins.form()), row_(bins.knots.size(1)) {
  const at::Tensor knots = bins.knots.contiguous(), count = bins.count.to(at::kLong);
  knots_.assign(knots.const_data_ptr<float>(), knots.const_data_ptr<float>() + knots.numel());
  count_.assign(count.const_data_ptr<std::int64_t>(),
                count.const_data_ptr<std::int64_t>() + count.numel());
}

QuantileBinsRow::Found QuantileBinsRow::find(std::int64_t feature, float value) const {
  const float* first = knots_.data() + feature * row_;
  const std::int64_t n = count_[feature];
  const float inside = std::min(std::max(value, first[0]), first[n - 1]);
  const float* after = std::upper_bound(first + 1, first + n - 1, inside);
  const std::int64_t left = after - first - 1;
  const float width = first[left + 1] - first[left];
  return {left, (inside - first[left]) / (width > 0 ? width : 1)};
}

}  // namespace salus::models
