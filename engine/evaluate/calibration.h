#pragma once

#include <string>
#include <vector>

namespace salus::evaluate {

/// Monotone map from a logit to a probability, fitted on validation, kept in the bundle.
struct Calibration {
  enum class Kind { kNone, kTemperature, kPlatt, kIsotonic } kind = Kind::kNone;
  double temperature = 1;             ///< kTemperature: p = sigmoid(logit / T)
  double slope = 1, intercept = 0;    ///< kPlatt: p = sigmoid(slope * logit + intercept)
  std::vector<double> x, y;           ///< kIsotonic: logit knots, probabilities, linear between

  double apply(double logit) const;
};

/// Minimises log loss over T > 0 (Guo et al. 2017). `labels` 0/1. \throws Error if one class is absent.
Calibration fit_temperature(const std::vector<double>& logits, const std::vector<int>& labels);
Calibration fit_platt(const std::vector<double>& logits, const std::vector<int>& labels);
/// Pool-adjacent-violators.
Calibration fit_isotonic(const std::vector<double>& logits, const std::vector<int>& labels);

/// Temperature of a softmax, [n][classes] logits and class indices.
double fit_softmax_temperature(const std::vector<std::vector<double>>& logits,
                               const std::vector<int>& classes);

std::string to_string(Calibration::Kind kind);
Calibration::Kind parse_calibration_kind(const std::string& name);

}  // namespace salus::evaluate
