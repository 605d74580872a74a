#include "engine/evaluate/intervals.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/io/error.h"

namespace salus::evaluate {
namespace {

double normal_cdf(double z) { return std::erfc(-z / std::sqrt(2.0)) / 2; }

double critical_value(double level) { return normal_quantile(0.5 + level / 2); }

double covariance(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() < 2) return 0;
  const double n = static_cast<double>(a.size());
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / n;
  const double mean_b = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - mean_a) * (b[i] - mean_b);
  return sum / (n - 1);
}

/// Hanley and McNeil's variance of an AUROC `a`, symmetrised as in Newcombe's method 5.
double newcombe_variance(double a, double positives, double negatives) {
  const double half = (positives + negatives) / 2 - 1;
  return a * (1 - a) * (1 + half * ((1 - a) / (2 - a) + a / (1 + a))) / (positives * negatives);
}

/// The AUROC between `inside` (not rejected) and `outside` at which the test just rejects.
double newcombe_bound(double auroc, double p, double n, double z, double outside) {
  double inside = auroc;
  for (int k = 0; k < 100; ++k) {
    const double a = (inside + outside) / 2;
    const bool rejected = std::abs(a - auroc) > z * std::sqrt(newcombe_variance(a, p, n));
    (rejected ? outside : inside) = a;
  }
  return inside;
}

}  // namespace

double normal_quantile(double p) {
  double low = -40, high = 40;
  for (int k = 0; k < 200 && high - low > 1e-15; ++k) {
    const double middle = (low + high) / 2;
    (normal_cdf(middle) < p ? low : high) = middle;
  }
  return (low + high) / 2;
}

double two_sided_p(double z) { return std::erfc(std::abs(z) / std::sqrt(2.0)); }

Interval wilson_interval(double successes, double n, double level) {
  const double z = critical_value(level), p = successes / n;
  const double centre = (p + z * z / (2 * n)) / (1 + z * z / n);
  const double half = z / (1 + z * z / n) * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  // Rounding must not exclude an estimate of exactly 0 or 1.
  return {std::min(p, std::max(0.0, centre - half)), std::max(p, std::min(1.0, centre + half)),
          "wilson"};
}

Interval newcombe_interval(double auroc, double positives, double negatives, double level) {
  const double z = critical_value(level);
  return {newcombe_bound(auroc, positives, negatives, z, 0),
          newcombe_bound(auroc, positives, negatives, z, 1), "newcombe"};
}

double quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto k = static_cast<std::size_t>(at);
  if (k + 1 >= sorted.size()) return sorted.back();
  return sorted[k] + (at - static_cast<double>(k)) * (sorted[k + 1] - sorted[k]);
}

Interval percentile_interval(std::vector<double> replicates, double level) {
  const std::size_t drawn = replicates.size();
  std::erase_if(replicates, [](double v) { return std::isnan(v); });
  if (replicates.empty() || 2 * replicates.size() < drawn) {
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    return {kNan, kNan, "bootstrap"};
  }
  std::sort(replicates.begin(), replicates.end());
  return {quantile(replicates, (1 - level) / 2), quantile(replicates, (1 + level) / 2),
          "bootstrap"};
}

double Delong::variance() const { return delong_covariance(*this, *this); }

Delong delong(const std::vector<double>& scores, const std::vector<double>& targets) {
  const BinaryCases cases = sort_cases(scores, targets);
  if (!cases.has_both_classes()) {
    throw Error(
        fmt::format("DeLong's method needs cases of both classes, but of {} cases {} are positive.",
                    cases.size(), cases.positives));
  }
  const double m = static_cast<double>(cases.positives), n = static_cast<double>(cases.negatives());
  std::vector<double> placement(scores.size(), 0);
  double above_p = 0, above_n = 0;  // cases with a higher score
  for (std::size_t begin = 0, end = 0; begin < cases.size(); begin = end) {
    double tied_p = 0, tied_n = 0;
    do {
      (cases.positive[end] ? tied_p : tied_n) += 1;
    } while (!cases.ends_tie(end++));
    for (std::size_t i = begin; i < end; ++i) {
      placement[cases.index[i]] =
          cases.positive[i] ? (n - above_n - tied_n / 2) / n : (above_p + tied_p / 2) / m;
    }
    above_p += tied_p;
    above_n += tied_n;
  }
  Delong d;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (targets[i] == 1) d.positive.push_back(placement[i]);
    if (targets[i] == 0) d.negative.push_back(placement[i]);
  }
  d.auroc = std::accumulate(d.positive.begin(), d.positive.end(), 0.0) / m;
  return d;
}

double delong_covariance(const Delong& a, const Delong& b) {
  return covariance(a.positive, b.positive) / static_cast<double>(a.positive.size()) +
         covariance(a.negative, b.negative) / static_cast<double>(a.negative.size());
}

Interval delong_interval(const Delong& d, double level) {
  const double variance = d.variance();
  if (!(variance > 0)) {
    return newcombe_interval(d.auroc, static_cast<double>(d.positive.size()),
                             static_cast<double>(d.negative.size()), level);
  }
  const double half = critical_value(level) * std::sqrt(variance);
  return {std::max(0.0, d.auroc - half), std::min(1.0, d.auroc + half), "delong"};
}

}  // namespace salus::evaluate
