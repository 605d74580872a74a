#pragma once

#include <span>

namespace salus::evaluate {

/// P(y = 1) = sigmoid(slope * x + intercept).
struct LogisticFit {
  double slope = 0;
  double intercept = 0;
  bool converged = false;  ///< false: no finite maximum (separable data), or nothing to fit
};

double sigmoid(double z);

/// log(p / (1 - p)) with p clipped to [2^-52, 1 - 2^-52].
double clipped_logit(double p);

/// Maximum likelihood by Newton's method with step halving.
///
/// \param x        finite predictors.
/// \param targets  in [0, 1]; fractions are allowed (Platt's smoothed targets).
/// \param weights  non-negative case weights, or empty for one each.
/// \param start    where to begin; a near start (a bootstrap replicate's parent) saves passes.
LogisticFit fit_logistic(std::span<const double> x, std::span<const double> targets,
                         std::span<const double> weights, LogisticFit start = {});

/// The same with the slope held at 1: calibration in the large. `slope` of the result is 1.
LogisticFit fit_intercept(std::span<const double> x, std::span<const double> targets,
                          std::span<const double> weights, double start = 0);

}  // namespace salus::evaluate
