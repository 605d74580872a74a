#include "engine/evaluate/logistic.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace salus::evaluate {
namespace {

constexpr int kMaxIterations = 60;
constexpr double kTolerance = 1e-11;  // of the Newton decrement per unit of weight
constexpr double kDiverged = 1e4;     // a slope or intercept on the logit scale beyond all meaning

/// Gradient and Hessian of the negative log-likelihood per unit of weight.
struct Derivatives {
  double g0 = 0, g1 = 0;  // intercept, slope
  double h00 = 0, h01 = 0, h11 = 0;
  double weight = 0;
};

struct Problem {
  std::span<const double> x, targets, weights;

  double weight(std::size_t i) const { return weights.empty() ? 1.0 : weights[i]; }

  Derivatives derivatives(double slope, double intercept) const {
    Derivatives d;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double w = weight(i);
      if (w == 0) continue;
      const double p = sigmoid(slope * x[i] + intercept);
      const double r = w * (p - targets[i]);
      const double h = w * p * (1 - p);
      d.g0 += r;
      d.g1 += r * x[i];
      d.h00 += h;
      d.h01 += h * x[i];
      d.h11 += h * x[i] * x[i];
      d.weight += w;
    }
    return d;
  }

  double loss(double slope, double intercept) const {
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double z = slope * x[i] + intercept;
      // log(1 + e^z) - y z without overflow.
      sum += weight(i) * (std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))) - targets[i] * z);
    }
    return sum;
  }
};

/// Moves by (ds, di), halved until the loss does not rise. Steps that are small on the logit scale
/// are taken unchecked: there Newton's method on this convex loss cannot overshoot by much, and the
/// check would double the cost of every bootstrap replicate.
bool take_step(const Problem& problem, LogisticFit& fit, double ds, double di) {
  if (std::abs(ds) < 0.5 && std::abs(di) < 0.5) {
    fit.slope += ds;
    fit.intercept += di;
    return true;
  }
  const double before = problem.loss(fit.slope, fit.intercept);
  for (double step = 1; step > 1e-6; step /= 2) {
    if (problem.loss(fit.slope + step * ds, fit.intercept + step * di) <= before) {
      fit.slope += step * ds;
      fit.intercept += step * di;
      return true;
    }
  }
  return false;
}

/// True if a cut of x parts the targets, ties at the cut included: the likelihood then has no
/// maximum (Albert and Anderson 1984). Also true for constant x or a single class.
bool is_separable(const Problem& problem) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  double low1 = kInf, high1 = -kInf, low0 = kInf, high0 = -kInf;
  for (std::size_t i = 0; i < problem.x.size(); ++i) {
    if (problem.weight(i) == 0) continue;
    const double x = problem.x[i];
    if (problem.targets[i] > 0) {
      low1 = std::min(low1, x);
      high1 = std::max(high1, x);
    }
    if (problem.targets[i] < 1) {
      low0 = std::min(low0, x);
      high0 = std::max(high0, x);
    }
  }
  return low1 >= high0 || high1 <= low0;
}

bool diverged(const LogisticFit& fit) {
  return !(std::abs(fit.slope) < kDiverged && std::abs(fit.intercept) < kDiverged);
}

}  // namespace

double sigmoid(double z) {
  if (z >= 0) return 1 / (1 + std::exp(-z));
  const double e = std::exp(z);  // no overflow for very negative z
  return e / (1 + e);
}

double clipped_logit(double p) {
  constexpr double kClip = std::numeric_limits<double>::epsilon();
  const double q = std::clamp(p, kClip, 1 - kClip);
  return std::log(q) - std::log1p(-q);
}

LogisticFit fit_logistic(std::span<const double> x, std::span<const double> targets,
                         std::span<const double> weights, LogisticFit start) {
  const Problem problem{x, targets, weights};
  LogisticFit fit{start.slope, start.intercept, false};
  if (is_separable(problem)) return fit;
  for (int k = 0; k < kMaxIterations; ++k) {
    const Derivatives d = problem.derivatives(fit.slope, fit.intercept);
    const double determinant = d.h00 * d.h11 - d.h01 * d.h01;
    // A likelihood that is flat to rounding: nearly separated classes or constant predictor.
    if (!(determinant > 1e-12 * d.h00 * d.h11) || !(d.h00 > 1e-9 * d.weight)) return fit;
    const double di = (-d.g0 * d.h11 + d.g1 * d.h01) / determinant;
    const double ds = (-d.g1 * d.h00 + d.g0 * d.h01) / determinant;
    const double decrement = -(d.g0 * di + d.g1 * ds) / d.weight;
    if (!take_step(problem, fit, ds, di) || diverged(fit)) return fit;
    if (decrement < kTolerance) {
      fit.converged = true;
      return fit;
    }
  }
  return fit;
}

LogisticFit fit_intercept(std::span<const double> x, std::span<const double> targets,
                          std::span<const double> weights, double start) {
  const Problem problem{x, targets, weights};
  LogisticFit fit{1, start, false};
  for (int k = 0; k < kMaxIterations; ++k) {
    const Derivatives d = problem.derivatives(1, fit.intercept);
    if (!(d.h00 > 1e-12 * d.weight)) return fit;
    const double di = -d.g0 / d.h00;
    if (!take_step(problem, fit, 0, di) || diverged(fit)) return fit;
    if (di * di * d.h00 / d.weight < kTolerance) {
      fit.converged = true;
      return fit;
    }
  }
  return fit;
}

}  // namespace salus::evaluate
