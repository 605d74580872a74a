#include "engine/data/stay_dataset.h"

#include <ATen/TensorIndexing.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/isnan.h>

#include <cstring>

namespace salus::data {
namespace {

/// FNV-1a over the events of a stay.
std::uint64_t hash_events(const io::VitalsTable& table, std::int64_t stay) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  const auto mix = [&hash](double value) {
    std::uint64_t word;
    std::memcpy(&word, &value, sizeof word);
    hash = (hash ^ word) * 0x100000001b3ULL;
    hash ^= hash >> 29;
  };
  for (auto e = table.offsets[stay]; e < table.offsets[stay + 1]; ++e) {
    mix(table.time[e]);
    mix(table.variable[e]);
    mix(table.value[e]);
  }
  return hash;
}

class StayDataset : public Dataset {
 public:
  StayDataset(std::shared_ptr<const io::VitalsTable> table,
              std::shared_ptr<const StayTransform> transform, std::vector<std::int64_t> stays,
              std::vector<CaseInfo> infos, std::shared_ptr<const StepTargets> targets)
      : table_(std::move(table)),
        transform_(std::move(transform)),
        stays_(std::move(stays)),
        infos_(std::move(infos)),
        targets_(std::move(targets)) {}

  std::int64_t size() const override { return static_cast<std::int64_t>(stays_.size()); }
  const CaseInfo& info(std::int64_t i) const override { return infos_.at(i); }
  std::uint64_t content_hash(std::int64_t i) const override {
    return hash_events(*table_, stays_.at(i));
  }

  Batch load(at::IntArrayRef indices) const override {
    const auto stays = stays_at(indices);
    Batch batch = transform_->inputs(*table_, stays);
    const bool labelled = !infos_.empty() && !infos_[0].target.empty();
    if (labelled) batch.target = targets_ ? targets_->of(stays) : Dataset::targets(indices);
    return batch;
  }

  at::Tensor targets(at::IntArrayRef indices) const override {
    if (!targets_) return Dataset::targets(indices);
    const at::Tensor rows = targets_->of(stays_at(indices)).flatten(0, 1);
    return rows.index({at::isnan(rows).all(1).logical_not()});
  }

  std::int64_t steps(std::int64_t i) const override {
    return transform_->length(*table_, stays_.at(i));
  }

 private:
  std::vector<std::int64_t> stays_at(at::IntArrayRef indices) const {
    std::vector<std::int64_t> stays;
    for (const auto i : indices) stays.push_back(stays_.at(i));
    return stays;
  }

  std::shared_ptr<const io::VitalsTable> table_;
  std::shared_ptr<const StayTransform> transform_;
  std::vector<std::int64_t> stays_;
  std::vector<CaseInfo> infos_;
  std::shared_ptr<const StepTargets> targets_;
};

}  // namespace

std::unique_ptr<Dataset> open_stays(std::shared_ptr<const io::VitalsTable> table,
                                    std::shared_ptr<const StayTransform> transform,
                                    std::vector<std::int64_t> stays, std::vector<CaseInfo> infos,
                                    std::shared_ptr<const StepTargets> targets) {
  return std::make_unique<StayDataset>(std::move(table), std::move(transform), std::move(stays),
                                       std::move(infos), std::move(targets));
}

}  // namespace salus::data
