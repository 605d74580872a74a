#pragma once

#include <string>
#include <vector>

namespace salus::evaluate {

/// Monotone map from a logit to a probability, fitted on validation, kept in the bundle.
struct Calibration {
  enum class Kind { kNone, kTemperature, kPlatt, kIsotonic } kind = Kind::kNone;
  double temperature = 1;           ///< kTemperature: p = sigmoid(logit / T)
  double slope = 1, intercept = 0;  ///< kPlatt: p = sigmoid(slope * logit + intercept)
  std::vector<double> x, y;         ///< kIsotonic: logit knots, probabilities, linear between

  /// NaN stays NaN. kIsotonic is constant beyond its first and last knot.
  double apply(double logit) const;
};

/// Bounds of a fitted temperature: separable data would drive it to 0, and logits that rank the
/// wrong way to infinity.
inline constexpr double kMinTemperature = 0.01, kMaxTemperature = 100;

/// Minimises log loss over T in [kMinTemperature, kMaxTemperature] (Guo et al. 2017).
///
/// \param logits  finite.
/// \param labels  0 or 1, one per logit.
/// \throws Error if one class is absent, a logit is not finite, a label is not 0 or 1, or the
///         lengths differ. The same holds for the two below.
Calibration fit_temperature(const std::vector<double>& logits, const std::vector<int>& labels);

/// Logistic regression on Platt's smoothed targets (n+ + 1) / (n+ + 2) and 1 / (n- + 2), which keep
/// the fit finite on separable data (Lin, Lin and Weng 2007). A slope below 1 / kMaxTemperature is
/// held there, so that calibration never reverses the order of cases.
Calibration fit_platt(const std::vector<double>& logits, const std::vector<int>& labels);

/// Pool-adjacent-violators. Probabilities are kept within [1 / (n + 2), 1 - 1 / (n + 2)]: a finite
/// sample never shows that something is impossible or certain.
Calibration fit_isotonic(const std::vector<double>& logits, const std::vector<int>& labels);

/// Fits the kind asked for; kNone gives the identity (plain sigmoid).
Calibration fit_calibration(Calibration::Kind kind, const std::vector<double>& logits,
                            const std::vector<int>& labels);

/// Temperature of a softmax, [n][classes] logits and class indices; bounds as above.
/// \throws Error if there are no cases, rows differ in length, a logit is not finite or a class is
///         out of range.
double fit_softmax_temperature(const std::vector<std::vector<double>>& logits,
                               const std::vector<int>& classes);

std::string to_string(Calibration::Kind kind);  ///< "none", "temperature", "platt", "isotonic"
Calibration::Kind parse_calibration_kind(const std::string& name);  ///< \throws UsageError

}  // namespace salus::evaluate
