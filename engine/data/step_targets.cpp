#include "engine/data/step_targets.h"

#include <ATen/ops/full.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace salus::data {
namespace {

constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();

class ColumnTargets : public StepTargets {
 public:
  ColumnTargets(std::shared_ptr<const io::VitalsTable> table,
                std::shared_ptr<const StayTransform> transform, std::vector<std::size_t> columns)
      : table_(std::move(table)), transform_(std::move(transform)), columns_(std::move(columns)) {}

  std::int64_t labels() const override { return static_cast<std::int64_t>(columns_.size()); }

  at::Tensor of(const std::vector<std::int64_t>& stays) const override {
    return by_stay(*transform_, stays, [&](std::int64_t stay, float* out) {
      for (auto s = table_->step_offsets[stay]; s < table_->step_offsets[stay + 1]; ++s) {
        const auto bin = transform_->bin(table_->step_time[s]);
        if (bin < 0 || bin >= transform_->steps()) continue;
        for (std::int64_t l = 0; l < labels(); ++l) out[bin * labels() + l] = label(s, l);
      }
    });
  }

  std::vector<float> largest(std::int64_t stay) const override {
    std::vector<float> most(columns_.size(), kUnknown);
    for (auto s = table_->step_offsets[stay]; s < table_->step_offsets[stay + 1]; ++s) {
      for (std::size_t l = 0; l < most.size(); ++l) {
        most[l] = std::fmax(most[l], label(s, static_cast<std::int64_t>(l)));
      }
    }
    return most;
  }

 private:
  float label(std::int64_t step, std::int64_t l) const {
    const auto width = static_cast<std::int64_t>(table_->step_label_names.size());
    const auto column = static_cast<std::int64_t>(columns_[static_cast<std::size_t>(l)]);
    return table_->step_labels[static_cast<std::size_t>(step * width + column)];
  }

  std::shared_ptr<const io::VitalsTable> table_;
  std::shared_ptr<const StayTransform> transform_;
  std::vector<std::size_t> columns_;
};

class NextTargets : public StepTargets {
 public:
  NextTargets(std::shared_ptr<const io::VitalsTable> table,
              std::shared_ptr<const StayTransform> transform, const NextSpec& spec)
      : table_(std::move(table)),
        transform_(std::move(transform)),
        variables_(transform_->variables().numbers(spec.variables)),
        ahead_(spec.ahead) {}

  std::int64_t labels() const override { return static_cast<std::int64_t>(variables_.size()); }

  at::Tensor of(const std::vector<std::int64_t>& stays) const override {
    const auto steps = transform_->steps();
    const auto count = static_cast<std::int64_t>(stays.size());
    at::Tensor targets = at::full({count, steps, labels()}, kUnknown, at::kFloat);
    if (ahead_ >= steps) return targets;
    const Batch batch = transform_->inputs(*table_, stays);
    for (std::int64_t l = 0; l < labels(); ++l) {
      const auto later = [&](const char* name) {  // [N, T - ahead]
        return batch.inputs.at(name)
            .select(2, variables_[static_cast<std::size_t>(l)])
            .narrow(1, ahead_, steps - ahead_);
      };
      const at::Tensor known = at::where(later("mask").gt(0), later("values"), kUnknown);
      targets.select(2, l).narrow(1, 0, steps - ahead_).copy_(known);
    }
    return targets;
  }

  std::vector<float> largest(std::int64_t) const override {
    return std::vector<float>(variables_.size(), kUnknown);
  }

 private:
  std::shared_ptr<const io::VitalsTable> table_;
  std::shared_ptr<const StayTransform> transform_;
  std::vector<std::int32_t> variables_;
  std::int64_t ahead_;
};

}  // namespace

at::Tensor StepTargets::by_stay(
    const StayTransform& transform, const std::vector<std::int64_t>& stays,
    const std::function<void(std::int64_t stay, float* out)>& fill) const {
  const auto count = static_cast<std::int64_t>(stays.size());
  at::Tensor targets = at::full({count, transform.steps(), labels()}, kUnknown, at::kFloat);
  float* out = targets.mutable_data_ptr<float>();
  for (const auto stay : stays) {
    fill(stay, out);
    out += transform.steps() * labels();
  }
  return targets;
}

std::unique_ptr<StepTargets> column_targets(std::shared_ptr<const io::VitalsTable> table,
                                            std::shared_ptr<const StayTransform> transform,
                                            std::vector<std::size_t> columns) {
  return std::make_unique<ColumnTargets>(std::move(table), std::move(transform),
                                         std::move(columns));
}

std::unique_ptr<StepTargets> next_targets(std::shared_ptr<const io::VitalsTable> table,
                                          std::shared_ptr<const StayTransform> transform,
                                          const NextSpec& spec) {
  return std::make_unique<NextTargets>(std::move(table), std::move(transform), spec);
}

}  // namespace salus::data
