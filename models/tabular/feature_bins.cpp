#include "models/tabular/feature_bins.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>

namespace salus::models {
namespace {

std::vector<float> sorted_column(const float* first, std::int64_t rows, std::int64_t stride) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < rows; ++i) {
    if (!std::isnan(first[i * stride])) values.push_back(first[i * stride]);
  }
  std::sort(values.begin(), values.end());
  return values;
}

/// Midway between two floats; the higher if nothing lies between them.
float midway(float low, float high) {
  const auto middle = static_cast<float>((static_cast<double>(low) + high) / 2);
  return middle > low ? middle : high;
}

std::vector<float> cuts_of(const std::vector<float>& sorted, std::int64_t bins) {
  std::vector<float> distinct(sorted);
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  std::vector<float> cuts;
  if (static_cast<std::int64_t>(distinct.size()) <= bins) {
    for (std::size_t i = 1; i < distinct.size(); ++i) {
      cuts.push_back(midway(distinct[i - 1], distinct[i]));
    }
    return cuts;
  }
  for (std::int64_t i = 1; i < bins; ++i) {
    const auto at = sorted.size() * static_cast<std::size_t>(i) / static_cast<std::size_t>(bins);
    const auto high = std::lower_bound(distinct.begin(), distinct.end(), sorted[at]);
    if (high == distinct.begin()) continue;
    const float cut = midway(high[-1], *high);
    if (cuts.empty() || cut > cuts.back()) cuts.push_back(cut);
  }
  return cuts;
}

}  // namespace

FeatureBins::FeatureBins(const at::Tensor& rows, std::int64_t bins)
    : cuts_(static_cast<std::size_t>(rows.size(1))) {
  TORCH_CHECK(bins >= 2 && bins <= kMost, "a feature has 2 to ", kMost, " bins, not ", bins);
  const at::Tensor all = rows.contiguous();
  const float* first = all.const_data_ptr<float>();
  const std::int64_t count = all.size(0), features = all.size(1);
  at::parallel_for(0, features, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t f = begin; f < end; ++f) {
      cuts_[f] = cuts_of(sorted_column(first + f, count, features), bins);
    }
  });
}

at::Tensor FeatureBins::codes(const at::Tensor& rows) const {
  const at::Tensor all = rows.contiguous();
  at::Tensor out = at::empty(all.sizes(), at::kByte);
  const float* x = all.const_data_ptr<float>();
  auto* code = out.mutable_data_ptr<std::uint8_t>();
  const std::int64_t features = all.size(1);
  at::parallel_for(0, all.size(0), 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin * features; at < end * features; ++at) {
      const std::vector<float>& cuts = cuts_[at % features];
      const auto above = std::upper_bound(cuts.begin(), cuts.end(), x[at]);
      code[at] = std::isnan(x[at]) ? kMissing : static_cast<std::uint8_t>(above - cuts.begin());
    }
  });
  return out;
}

}  // namespace salus::models
