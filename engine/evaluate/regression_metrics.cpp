#include <fmt/format.h>

#include <array>
#include <cmath>
#include <limits>

#include "engine/evaluate/label_metrics.h"
#include "engine/io/error.h"

namespace salus::evaluate {
namespace {

constexpr std::array<MetricField<RegressionMetrics>, 4> kRegression{{
    {"mae", &RegressionMetrics::mae},
    {"rmse", &RegressionMetrics::rmse},
    {"r2", &RegressionMetrics::r2},
    {"bias", &RegressionMetrics::bias},
}};

struct Sums {
  double n = 0, target = 0, absolute = 0, squared = 0, error = 0;
};

Sums sum_errors(const std::vector<double>& predictions, const std::vector<double>& targets,
                std::span<const double> weights) {
  Sums s;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (std::isnan(targets[i])) continue;
    if (!std::isfinite(predictions[i])) {
      throw Error(fmt::format("The prediction of case {} is {}; check the model's outputs.", i,
                              predictions[i]));
    }
    const double w = weights.empty() ? 1 : weights[i], e = predictions[i] - targets[i];
    s.n += w;
    s.target += w * targets[i];
    s.absolute += w * std::abs(e);
    s.squared += w * e * e;
    s.error += w * e;
  }
  return s;
}

}  // namespace

std::span<const MetricField<RegressionMetrics>> regression_metric_fields() { return kRegression; }

RegressionMetrics regression_metrics(const std::vector<double>& predictions,
                                     const std::vector<double>& targets,
                                     std::span<const double> weights) {
  if (predictions.size() != targets.size()) {
    throw Error(fmt::format("There are {} predictions but {} targets; give one target each.",
                            predictions.size(), targets.size()));
  }
  constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();
  const Sums s = sum_errors(predictions, targets, weights);
  if (!(s.n > 0)) return {kAbsent, kAbsent, kAbsent, kAbsent};
  double spread = 0;  // about the mean, in a second pass: targets far from 0 would cancel
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (std::isnan(targets[i])) continue;
    const double d = targets[i] - s.target / s.n;
    spread += (weights.empty() ? 1 : weights[i]) * d * d;
  }
  return {s.absolute / s.n, std::sqrt(s.squared / s.n),
          spread > 0 ? 1 - s.squared / spread : kAbsent, s.error / s.n};
}

}  // namespace salus::evaluate
