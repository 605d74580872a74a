#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/config.h"
#include "engine/core/task.h"
#include "kernels/vitals_grid_variable.h"

namespace salus::data {

/// Labels of every step made of one time a stay: does the onset come within the next h hours?
struct OnsetSpec {
  /// What the steps from the onset on are labelled.
  enum class After { kUnknown, kPositive, kNegative };

  std::string column;            ///< hours since the stay began, or a 0/1 label of steps
  std::vector<double> horizons;  ///< [L] hours, all different, above 0
  After after = After::kUnknown;
  bool censored_negative = false;  ///< no onset was seen: 0 however short the stay was observed
  std::string observed_until;      ///< column; "": until the last event or label of a step
  double label_lead = 0;           ///< hours from the first 1 of a 0/1 column to the onset
};

/// The values of variables `ahead` bins later.
struct NextSpec {
  std::vector<std::string> variables;  ///< [L] names of the variables table
  std::int64_t ahead = 1;              ///< bins, at least 1
};

/// What a model is asked at every step, where that is made from the data and not read from columns
/// of labels. Keys of [data]; a bundle keeps them as the table [transform.targets].
///
///   onset = "onset_hour"         # column of the labels of stays or of the statics: hours since the
///                                # stay began, empty where there was no onset. Or of the labels of
///                                # steps: the onset is the first 1
///   horizons = [6, 12, 24]       # hours; task.labels names one output for each
///   after_onset = "unknown"      # steps from the onset on: unknown (masked), positive, negative
///   censored = "unknown"         # steps whose horizon ends after the observation of a stay without
///                                # an onset: unknown, or negative (known to have stayed free of it)
///   observed_until = "end_hour"  # column as `onset`: the stay was observed up to that hour
///   label_lead = 6               # of an onset that is read from labels of steps, which begin so many
///                                # hours before it; default 0, so that the SepsisLabel of PhysioNet
///                                # 2019 needs the 6. An error with hours, and without `onset`: labels
///                                # of steps that are learnt as they stand are evaluated with the lead
///                                # of their source, 6 of physionet2019 and else 0
///
///   next = ["HR", "MAP"]         # regression of the values of these variables
///   ahead = 1                    # in so many bins
struct TargetSpec {
  std::optional<OnsetSpec> onset;
  std::optional<NextSpec> next;

  bool empty() const { return !onset && !next; }
  std::string toml() const;
};

/// \throws UsageError for a bad value, and for keys that need others or exclude them.
TargetSpec read_targets(const Config& table);

/// \throws UsageError if the task's kind or number of labels is another than the targets'. `where`
///         is the table they stand in.
void check_task(const TargetSpec& targets, const Task& task, const Config& where);

/// From the z-score of a variable after its transform to its value, in its own unit.
struct ValueScale {
  double mean = 0, stddev = 1;
  kernels::GridTransform transform = kernels::GridTransform::kNone;

  double value(double score) const;
};

}  // namespace salus::data
