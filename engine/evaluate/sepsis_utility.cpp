#include "engine/evaluate/sepsis_utility.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/evaluate/compare_sums.h"
#include "engine/evaluate/estimate.h"
#include "engine/io/error.h"

namespace salus::evaluate {
namespace {

constexpr double kEarly = -12, kOptimal = -6, kLate = 3;  // hours from the onset
constexpr double kBest = 1, kMissed = -2, kFalseAlarm = -0.05;
constexpr const char* kNoOnset = "no stay has a positive step";

bool is_called_at_best(double from_onset) { return from_onset >= kEarly && from_onset <= kLate; }

/// Hours from the onset of each step; NaN in a stay without one.
double from_onset(const Stays& stays, std::size_t stay, std::size_t step) {
  return stays.hours[step] - stays.onset[stay];
}

}  // namespace

StepUtility step_utility(double d) {
  if (std::isnan(d)) return {kFalseAlarm, 0};
  if (d > kLate) return {0, 0};
  if (d <= kOptimal) {
    return {std::max(kBest * (d - kEarly) / (kOptimal - kEarly), kFalseAlarm), 0};
  }
  return {kBest * (kLate - d) / (kLate - kOptimal), kMissed * (d - kOptimal) / (kLate - kOptimal)};
}

std::vector<StayUtility> stay_utilities(const Stays& stays, double threshold) {
  std::vector<StayUtility> all(stays.size());
  for (std::size_t s = 0; s < stays.size(); ++s) {
    for (std::size_t k = stays.offsets[s]; k < stays.offsets[s + 1]; ++k) {
      const double d = from_onset(stays, s, k);
      const StepUtility u = step_utility(d);
      all[s].observed += stays.probabilities[k] >= threshold ? u.positive : u.negative;
      all[s].best += is_called_at_best(d) ? u.positive : u.negative;
      all[s].inaction += u.negative;
    }
  }
  return all;
}

double normalised_utility(std::span<const StayUtility> stays, std::span<const double> weights) {
  double gained = 0, most = 0;
  for (std::size_t s = 0; s < stays.size(); ++s) {
    const double weight = weights.empty() ? 1 : weights[s];
    gained += weight * (stays[s].observed - stays[s].inaction);
    most += weight * (stays[s].best - stays[s].inaction);
  }
  return most > 0 ? gained / most : std::numeric_limits<double>::quiet_NaN();
}

std::vector<double> utility_gains(const Stays& stays) {
  std::vector<double> gains(stays.hours.size());
  double most = 0;
  for (std::size_t s = 0; s < stays.size(); ++s) {
    for (std::size_t k = stays.offsets[s]; k < stays.offsets[s + 1]; ++k) {
      const double d = from_onset(stays, s, k);
      const StepUtility u = step_utility(d);
      gains[k] = u.positive - u.negative;
      if (is_called_at_best(d)) most += gains[k];
    }
  }
  if (!(most > 0)) {
    throw Error("The utility is not defined on these stays, as none of them has a positive step.");
  }
  for (double& gain : gains) gain /= most;
  return gains;
}

Estimate estimate_utility(const Stays& stays, double threshold, const ResamplingOptions& options,
                          double level) {
  const auto utilities = stay_utilities(stays, threshold);
  Estimate e{"utility", normalised_utility(utilities), std::nullopt, ""};
  if (std::isnan(e.value)) {
    e.absent_because = kNoOnset;
    return e;
  }
  const auto replicates = bootstrap(
      stays.resampler(), 1,
      [&](std::span<const double> weights, std::span<double> values) {
        values[0] = normalised_utility(utilities, weights);
      },
      options);
  const Interval interval = percentile_interval(replicates[0], level);
  if (interval.high > interval.low) e.interval = interval;
  return e;
}

Comparison compare_utility(const Stays& first, double first_threshold, const Stays& second,
                           double second_threshold, const ResamplingOptions& options,
                           double level) {
  if (first.row != second.row || first.hours != second.hours || first.offsets != second.offsets ||
      first.positive != second.positive) {
    throw Error("The two models did not score the same steps of the same stays.");
  }
  const auto a = stay_utilities(first, first_threshold);
  const auto b = stay_utilities(second, second_threshold);
  PairedSums sums;
  for (std::size_t s = 0; s < first.size(); ++s) {
    sums.first.push_back(a[s].observed - a[s].inaction);
    sums.second.push_back(b[s].observed - b[s].inaction);
    sums.units.push_back(a[s].best - a[s].inaction);
    sums.stratum.push_back(first.is_positive(s) ? 1 : 0);
  }
  sums.patient = first.patient;
  return compare_sums("utility", sums, kNoOnset, options, level);
}

}  // namespace salus::evaluate
