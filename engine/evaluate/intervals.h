#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/evaluate/cases.h"

namespace salus::evaluate {

/// A confidence interval and how it was made.
struct Interval {
  double low = 0;
  double high = 1;
  std::string method;  ///< "bootstrap", "delong", "wilson", "newcombe"
};

/// Quantile of the standard normal distribution, p in (0, 1).
double normal_quantile(double p);
/// P(|Z| >= |z|).
double two_sided_p(double z);

/// Wilson's score interval of a proportion. It stays honest at 0 and n of n, where a bootstrap
/// would claim certainty. \param successes  in [0, n]; n > 0.
Interval wilson_interval(double successes, double n, double level = 0.95);

/// Newcombe's score interval of an AUROC (2006, method 5): the values at which Hanley and McNeil's
/// variance would not reject the estimate. For an AUROC of 0 or 1, where DeLong and the bootstrap
/// have width zero. \param positives, negatives  counts, at least 1.
Interval newcombe_interval(double auroc, double positives, double negatives, double level = 0.95);

/// Percentile interval of bootstrap replicates; NaN replicates are left out. The interval of a metric
/// that resampling moves one way (an ECE: drawing cases again adds noise to each bin, whose size counts
/// and not its sign) may lie beside the metric itself. Neither correction helps where all replicates are
/// on one side: the basic interval excludes the metric too, and the bias-corrected one is not defined.
/// \returns an interval of NaN if fewer than half of the replicates are numbers.
Interval percentile_interval(std::vector<double> replicates, double level = 0.95);

/// Quantile by linear interpolation (NumPy's default) of sorted values.
double quantile(const std::vector<double>& sorted, double q);

/// Placement values of DeLong, DeLong and Clarke-Pearson (1988), by midranks in O(n log n) (Sun and
/// Xu 2014).
struct Delong {
  double auroc = 0;
  std::vector<double> positive;  ///< per positive case: share of negatives below it
  std::vector<double> negative;  ///< per negative case: share of positives above it

  /// Variance of the AUROC; 0 if a class has one case only.
  double variance() const;
};

/// Placements in the order of the caller's cases. \throws Error if a class is absent.
Delong delong(const std::vector<double>& scores, const std::vector<double>& targets);

/// Covariance of two AUROCs on the same cases.
double delong_covariance(const Delong& a, const Delong& b);

/// Wald interval with DeLong's variance, clipped to [0, 1]; for cases that are independent (one per
/// patient). Falls back to newcombe_interval where the variance is 0.
Interval delong_interval(const Delong& d, double level = 0.95);

}  // namespace salus::evaluate
