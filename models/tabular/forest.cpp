#include "models/tabular/forest.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace salus::models {
namespace {

constexpr std::int64_t kGrain = 16;        ///< rows that a thread takes at a time at least
constexpr std::int64_t kAtOnce = 1 << 24;  ///< walks of by_level() at a time: rows x trees

/// Whether a row with `value` goes right.
bool goes_right(float value, std::int32_t feature, float threshold) {
  return value >= threshold || (std::isnan(value) && feature >= 0);
}

std::int32_t index_of(std::int32_t feature) { return feature < 0 ? ~feature : feature; }

/// A tree whose inner nodes go left or right as bits say, which change one by one.
class TreePath {
 public:
  TreePath(const float* leaves, std::int64_t depth) : leaves_(leaves), depth_(depth) {}

  float leaf(const std::vector<char>& right) const {
    std::int64_t node = 0;
    for (std::int64_t level = 0; level < depth_; ++level) node = 2 * node + 1 + right[node];
    return leaves_[node - ((std::int64_t{1} << depth_) - 1)];
  }

 private:
  const float* leaves_;
  std::int64_t depth_;
};

/// The jumps of one tree for one row, added to those of each feature, `stride` floats apart.
class TreeJumps {
 public:
  TreeJumps(const std::int32_t* feature, const float* threshold, const float* leaves,
            std::int64_t depth)
      : feature_(feature),
        threshold_(threshold),
        path_(leaves, depth),
        right_(static_cast<std::size_t>((std::int64_t{1} << depth) - 1)) {}

  void add(const float* from, const float* to, float* jumps, std::int64_t stride) {
    crossings_.clear();
    for (std::size_t node = 0; node < right_.size(); ++node) {
      const std::int32_t f = index_of(feature_[node]);
      right_[node] = goes_right(from[f], feature_[node], threshold_[node]) ? 1 : 0;
      const bool after = goes_right(to[f], feature_[node], threshold_[node]);
      if (after == (right_[node] != 0)) continue;
      crossings_.emplace_back((threshold_[node] - from[f]) / (to[f] - from[f]), node);
    }
    std::sort(crossings_.begin(), crossings_.end());
    float before = crossings_.empty() ? 0 : path_.leaf(right_);
    for (const auto& [share, node] : crossings_) {
      right_[node] = right_[node] != 0 ? 0 : 1;
      const float after = path_.leaf(right_);
      jumps[index_of(feature_[node]) * stride] += after - before;
      before = after;
    }
  }

 private:
  const std::int32_t* feature_;
  const float* threshold_;
  TreePath path_;
  std::vector<char> right_;
  std::vector<std::pair<float, std::size_t>> crossings_;  ///< share of the way, node
};

}  // namespace

ForestImpl::ForestImpl(std::int64_t outputs, std::int64_t trees, std::int64_t depth)
    : depth_(depth) {
  const std::int64_t leaves = std::int64_t{1} << depth;
  feature = register_buffer("feature", torch::zeros({outputs, trees, leaves - 1}, at::kInt));
  threshold = register_buffer("threshold", torch::zeros({outputs, trees, leaves - 1}));
  leaf = register_buffer("leaf", torch::zeros({outputs, trees, leaves}));
  base = register_buffer("base", torch::zeros({outputs}));
}

at::Tensor ForestImpl::forward(const at::Tensor& rows) const {
  if (!rows.is_cpu()) return by_level(rows);
  const at::Tensor from = rows.contiguous();
  at::Tensor to = at::empty({from.size(0), outputs()}, from.options());
  const ForestRow row(*this, from.size(1));
  const float* x = from.const_data_ptr<float>();
  float* y = to.mutable_data_ptr<float>();
  const std::int64_t width = from.size(1);
  at::parallel_for(0, from.size(0), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      row(x + i * width, y + i * outputs());
    }
  });
  return to;
}

at::Tensor ForestImpl::by_level(const at::Tensor& rows) const {
  require_width(rows.size(1));
  const std::int64_t all = outputs() * trees();
  const at::Tensor features = feature.view({all, -1}), bounds = threshold.view({all, -1});
  const at::Tensor leaves = leaf.view({all, -1});
  std::vector<at::Tensor> parts;
  for (const at::Tensor& part : rows.split(std::max<std::int64_t>(kAtOnce / all, 1))) {
    const auto places = features.options().dtype(at::kLong);
    at::Tensor node = at::zeros({all, part.size(0)}, places);
    for (std::int64_t level = 0; level < depth_; ++level) {
      const at::Tensor f = features.gather(1, node), bound = bounds.gather(1, node);
      const at::Tensor index = at::where(f.lt(0), f.bitwise_not(), f).to(at::kLong);
      const at::Tensor value = part.t().gather(0, index);
      const at::Tensor right = value.ge(bound).logical_or(value.isnan().logical_and(f.ge(0)));
      node = node * 2 + 1 + right.to(at::kLong);
    }
    const at::Tensor reached = leaves.gather(1, node - (leaf.size(2) - 1));
    const at::Tensor sums =
        reached.to(at::kDouble).view({outputs(), trees(), -1}).sum(1).t() + base;
    parts.push_back(sums.to(at::kFloat));
  }
  return at::cat(parts);
}

at::Tensor ForestImpl::jumps(const at::Tensor& from, const at::Tensor& to) const {
  require_width(from.size(1));
  const at::Tensor a = from.to(at::kCPU).contiguous(), b = to.to(at::kCPU).contiguous();
  const at::Tensor features = feature.cpu(), bounds = threshold.cpu(), leaves = leaf.cpu();
  at::Tensor sums = at::zeros({a.size(0), a.size(1), outputs()}, a.options());
  const std::int64_t width = a.size(1), inner = features.size(2);
  const float *x = a.const_data_ptr<float>(), *y = b.const_data_ptr<float>();
  float* jumped = sums.mutable_data_ptr<float>();
  at::parallel_for(0, a.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t tree = 0; tree < outputs() * trees(); ++tree) {
      TreeJumps one(features.const_data_ptr<std::int32_t>() + tree * inner,
                    bounds.const_data_ptr<float>() + tree * inner,
                    leaves.const_data_ptr<float>() + tree * (inner + 1), depth_);
      for (std::int64_t i = begin; i < end; ++i) {
        one.add(x + i * width, y + i * width, jumped + i * width * outputs() + tree / trees(),
                outputs());
      }
    }
  });
  return sums.to(from.device());
}

void ForestImpl::require_width(std::int64_t width) const {
  const auto last =
      at::where(feature.lt(0), feature.bitwise_not(), feature).max().item<std::int64_t>();
  TORCH_CHECK(last < width, "the trees ask for number ", last, " of rows that have ", width);
}

void ForestImpl::to(torch::Device device, torch::Dtype dtype, bool non_blocking) {
  to(device, non_blocking);
}

void ForestImpl::to(torch::Device device, bool non_blocking) {
  torch::nn::Module::to(device, non_blocking);
}

ForestRow::ForestRow(const ForestImpl& forest, std::int64_t width)
    : feature_(forest.feature.cpu().contiguous()),
      threshold_(forest.threshold.cpu().contiguous()),
      leaf_(forest.leaf.cpu().contiguous()),
      base_(forest.base.cpu().contiguous()),
      outputs_(forest.outputs()),
      trees_(forest.trees()),
      depth_(forest.depth()) {
  forest.require_width(width);
}

void ForestRow::operator()(const float* row, float* to) const {
  const std::int64_t inner = (std::int64_t{1} << depth_) - 1;
  const auto* feature = feature_.const_data_ptr<std::int32_t>();
  const auto* threshold = threshold_.const_data_ptr<float>();
  const auto* leaf = leaf_.const_data_ptr<float>();
  for (std::int64_t l = 0; l < outputs_; ++l) {
    double sum = base_.const_data_ptr<float>()[l];
    for (std::int64_t tree = 0; tree < trees_; ++tree) {
      std::int64_t node = 0;
      for (std::int64_t level = 0; level < depth_; ++level) {
        const float value = row[index_of(feature[node])];
        node = 2 * node + 1 + (goes_right(value, feature[node], threshold[node]) ? 1 : 0);
      }
      sum += leaf[node - inner];
      feature += inner;
      threshold += inner;
      leaf += inner + 1;
    }
    to[l] = static_cast<float>(sum);
  }
}

}  // namespace salus::models
