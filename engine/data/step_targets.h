#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "engine/data/stay_transform.h"
#include "engine/data/target_spec.h"
#include "engine/io/vitals.h"

namespace salus::data {

/// What a model of every step is to say of the steps of stays. Thread-safe.
class StepTargets {
 public:
  virtual ~StepTargets() = default;

  virtual std::int64_t labels() const = 0;

  /// float32 [N, T, L] on the transform's grid; NaN where not known and from a stay's length on.
  virtual at::Tensor of(const std::vector<std::int64_t>& stays) const = 0;

  /// [L], for CaseInfo::target: the largest label of a stay's steps, NaN if none is known (or where
  /// it takes the statistics of the training part to know).
  virtual std::vector<float> largest(std::int64_t stay) const = 0;

 protected:
  /// of() that is NaN but for what `fill` writes into the [T, L] of each stay.
  at::Tensor by_stay(const StayTransform& transform, const std::vector<std::int64_t>& stays,
                     const std::function<void(std::int64_t stay, float* out)>& fill) const;
};

/// The table's labels of steps at `columns`; of the labels in one bin the last counts.
std::unique_ptr<StepTargets> column_targets(std::shared_ptr<const io::VitalsTable> table,
                                            std::shared_ptr<const StayTransform> transform,
                                            std::vector<std::size_t> columns);

/// The z-score that each variable has `ahead` bins later, where it is measured there; in the inputs'
/// own scale, StayTransform::value_scales() gives the values.
/// \throws UsageError for a variable that the transform does not have, naming the nearest.
std::unique_ptr<StepTargets> next_targets(std::shared_ptr<const io::VitalsTable> table,
                                          std::shared_ptr<const StayTransform> transform,
                                          const NextSpec& spec);

}  // namespace salus::data
