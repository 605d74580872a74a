#pragma once

#include <span>
#include <vector>

#include "engine/evaluate/compare.h"
#include "engine/evaluate/stays.h"

namespace salus::evaluate {

/// The utility of the PhysioNet/Computing in Cardiology Challenge 2019 (Reyna et al., Critical Care
/// Medicine 48:210-217, 2020), as its evaluate_sepsis_score.py computes it.
///
/// With d hours from the onset, a step of a septic stay is worth, where it is
/// - called positive: -0.05 long before, rising by 1/6 an hour from 0 at d = -12 to 1 at d = -6,
///   falling to 0 at d = 3;
/// - called negative: 0 until d = -6, falling to -2 at d = 3;
/// - later than d = 3: 0 either way.
/// A step of a stay without sepsis is worth -0.05 called positive and 0 called negative.
///
/// The onset is 6 hours after the first positive target (split_stays() with that lead), as the
/// challenge's labels are early by so much; all that follows depends on the first one alone. The
/// challenge counts rows where this counts hours: the same on hourly rows without gaps.
struct StepUtility {
  double positive, negative;
};
/// \param from_onset  hours, negative before the onset; NaN in a stay without one.
StepUtility step_utility(double from_onset);

/// Utility of one stay under three policies: the calls made; positive from 12 hours before the onset
/// to 3 after; never positive.
struct StayUtility {
  double observed = 0, best = 0, inaction = 0;
};
/// [S] A step is called positive where its probability is at least `threshold`.
std::vector<StayUtility> stay_utilities(const Stays& stays, double threshold);

/// (sum observed - sum inaction) / (sum best - sum inaction): 0 if nothing is ever called, 1 at best;
/// there is no lower limit. \param weights  one per stay, or empty for 1 each.
/// \returns NaN if no stay has an onset.
double normalised_utility(std::span<const StayUtility> stays, std::span<const double> weights = {});

/// [K] What calling a step positive adds to the normalised utility.
/// \throws Error if no stay has an onset.
std::vector<double> utility_gains(const Stays& stays);

/// normalised_utility() with a percentile interval by a bootstrap of patients, as "utility".
Estimate estimate_utility(const Stays& stays, double threshold, const ResamplingOptions& options,
                          double level = 0.95);

/// Utility of two models on the same stays, each at its own threshold: interval of the difference by
/// a paired bootstrap of patients, p by exchanging the models of a patient.
/// \throws Error if the steps differ.
Comparison compare_utility(const Stays& first, double first_threshold, const Stays& second,
                           double second_threshold, const ResamplingOptions& options,
                           double level = 0.95);

}  // namespace salus::evaluate
