#include "engine/evaluate/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>

#include "engine/evaluate/logistic.h"
#include "engine/io/error.h"

namespace salus::evaluate {
namespace {

using Kind = Calibration::Kind;

constexpr std::array<std::pair<Kind, const char*>, 4> kKinds{{{Kind::kNone, "none"},
                                                              {Kind::kTemperature, "temperature"},
                                                              {Kind::kPlatt, "platt"},
                                                              {Kind::kIsotonic, "isotonic"}}};

void check_logit(double logit, std::size_t row) {
  if (std::isfinite(logit)) return;
  throw Error(fmt::format("The logit of validation case {} is {}; calibration needs finite logits.",
                          row, logit));
}

/// \returns the number of positives.
std::size_t check_binary(const std::vector<double>& logits, const std::vector<int>& labels) {
  if (logits.size() != labels.size()) {
    throw Error(fmt::format("Calibration got {} logits but {} labels; give one label per logit.",
                            logits.size(), labels.size()));
  }
  std::size_t positives = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    check_logit(logits[i], i);
    if (labels[i] != 0 && labels[i] != 1) {
      throw Error(
          fmt::format("The label of validation case {} is {}; it must be 0 or 1.", i, labels[i]));
    }
    positives += labels[i];
  }
  if (positives == 0 || positives == labels.size()) {
    throw Error(
        fmt::format("Calibration needs validation cases of both classes, but of {} cases {} are "
                    "positive; use a "
                    "larger validation set, or calibration \"none\".",
                    labels.size(), positives));
  }
  return positives;
}

struct Slopes {
  double first = 0, second = 0;  // derivatives of the loss by the inverse temperature
};

/// Minimum over the inverse temperature of a convex loss: Newton's method inside a shrinking
/// bracket.
double minimise_inverse_temperature(const std::function<Slopes(double)>& slopes) {
  double low = 1 / kMaxTemperature, high = 1 / kMinTemperature;
  if (slopes(low).first >= 0) return low;
  if (slopes(high).first <= 0) return high;
  double beta = 1;
  for (int k = 0; k < 200 && high - low > 1e-13 * high; ++k) {
    const Slopes s = slopes(beta);
    if (s.first == 0) return beta;
    (s.first > 0 ? high : low) = beta;
    const double newton = beta - s.first / s.second;
    const double next = newton > low && newton < high ? newton : std::sqrt(low * high);
    if (std::abs(next - beta) <= 1e-14 * beta) return next;
    beta = next;
  }
  return beta;
}

Slopes binary_slopes(const std::vector<double>& logits, const std::vector<int>& labels,
                     double beta) {
  Slopes s;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double p = sigmoid(beta * logits[i]);
    s.first += (p - labels[i]) * logits[i];
    s.second += p * (1 - p) * logits[i] * logits[i];
  }
  return s;
}

/// Adds -log softmax(beta * z)[target], differentiated: E[z] - z[target], and Var[z].
void add_softmax_slopes(const std::vector<double>& z, int target, double beta, Slopes& s) {
  const double top = *std::max_element(z.begin(), z.end());
  double sum = 0, mean = 0, square = 0;
  for (const double v : z) {
    const double e = std::exp(beta * (v - top));
    sum += e;
    mean += e * (v - top);
    square += e * (v - top) * (v - top);
  }
  mean /= sum;
  s.first += mean + top - z[target];
  s.second += square / sum - mean * mean;
}

void check_softmax(const std::vector<std::vector<double>>& logits,
                   const std::vector<int>& classes) {
  if (logits.empty() || logits.size() != classes.size()) {
    throw Error(fmt::format(
        "Softmax calibration got {} rows of logits and {} classes; give one class per row, and at "
        "least one row.",
        logits.size(), classes.size()));
  }
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i].size() != logits[0].size() || logits[i].empty()) {
      throw Error(fmt::format("Validation case {} has {} logits, but case 0 has {}.", i,
                              logits[i].size(), logits[0].size()));
    }
    for (const double z : logits[i]) check_logit(z, i);
    if (classes[i] < 0 || classes[i] >= static_cast<int>(logits[i].size())) {
      throw Error(fmt::format("The class of validation case {} is {}, outside 0..{}.", i,
                              classes[i], logits[i].size() - 1));
    }
  }
}

struct Block {
  double low, high;  // logits of its first and last case
  double positives, count;
  double mean() const { return positives / count; }
};

/// Blocks of equal fitted probability, by rising logit; equal logits always share a block.
std::vector<Block> pool_adjacent_violators(const std::vector<double>& logits,
                                           const std::vector<int>& labels) {
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return logits[a] < logits[b]; });
  std::vector<Block> blocks;
  for (std::size_t k = 0; k < order.size();) {
    Block block{logits[order[k]], logits[order[k]], 0, 0};
    for (; k < order.size() && logits[order[k]] == block.low; ++k) {
      block.positives += labels[order[k]];
      block.count += 1;
    }
    while (!blocks.empty() && blocks.back().mean() >= block.mean()) {
      block.low = blocks.back().low;
      block.positives += blocks.back().positives;
      block.count += blocks.back().count;
      blocks.pop_back();
    }
    blocks.push_back(block);
  }
  return blocks;
}

double interpolate(const std::vector<double>& x, const std::vector<double>& y, double at) {
  if (at <= x.front()) return y.front();
  if (at >= x.back()) return y.back();
  const std::size_t k = std::upper_bound(x.begin(), x.end(), at) - x.begin();
  return y[k - 1] + (y[k] - y[k - 1]) * ((at - x[k - 1]) / (x[k] - x[k - 1]));
}

}  // namespace

double Calibration::apply(double logit) const {
  if (std::isnan(logit)) return logit;
  switch (kind) {
    case Kind::kNone:
      return sigmoid(logit);
    case Kind::kTemperature:
      return sigmoid(logit / temperature);
    case Kind::kPlatt:
      return sigmoid(slope * logit + intercept);
    case Kind::kIsotonic:
      if (x.empty() || x.size() != y.size()) {
        throw Error(fmt::format("An isotonic calibration has {} knots but {} probabilities.",
                                x.size(), y.size()));
      }
      return interpolate(x, y, logit);
  }
  throw Error("A calibration is of no known kind.");
}

Calibration fit_temperature(const std::vector<double>& logits, const std::vector<int>& labels) {
  check_binary(logits, labels);
  Calibration c;
  c.kind = Kind::kTemperature;
  c.temperature = 1 / minimise_inverse_temperature(
                          [&](double beta) { return binary_slopes(logits, labels, beta); });
  return c;
}

Calibration fit_platt(const std::vector<double>& logits, const std::vector<int>& labels) {
  const double positives = static_cast<double>(check_binary(logits, labels));
  const double negatives = static_cast<double>(labels.size()) - positives;
  std::vector<double> targets;
  for (const int y : labels) {
    targets.push_back(y == 1 ? (positives + 1) / (positives + 2) : 1 / (negatives + 2));
  }
  Calibration c;
  c.kind = Kind::kPlatt;
  const LogisticFit fit = fit_logistic(logits, targets, {});
  c.slope = fit.slope;
  c.intercept = fit.intercept;
  if (!fit.converged || fit.slope < 1 / kMaxTemperature) {
    c.slope = 1 / kMaxTemperature;
    std::vector<double> scaled;
    for (const double z : logits) scaled.push_back(z * c.slope);
    c.intercept = fit_intercept(scaled, targets, {}).intercept;
  }
  return c;
}

Calibration fit_isotonic(const std::vector<double>& logits, const std::vector<int>& labels) {
  check_binary(logits, labels);
  const double margin = 1 / (static_cast<double>(labels.size()) + 2);
  Calibration c;
  c.kind = Kind::kIsotonic;
  for (const Block& block : pool_adjacent_violators(logits, labels)) {
    const double p = std::clamp(block.mean(), margin, 1 - margin);
    c.x.push_back(block.low);
    c.y.push_back(p);
    if (block.high > block.low) {
      c.x.push_back(block.high);
      c.y.push_back(p);
    }
  }
  return c;
}

Calibration fit_calibration(Kind kind, const std::vector<double>& logits,
                            const std::vector<int>& labels) {
  switch (kind) {
    case Kind::kNone:
      return {};
    case Kind::kTemperature:
      return fit_temperature(logits, labels);
    case Kind::kPlatt:
      return fit_platt(logits, labels);
    case Kind::kIsotonic:
      return fit_isotonic(logits, labels);
  }
  throw Error("A calibration is of no known kind.");
}

double fit_softmax_temperature(const std::vector<std::vector<double>>& logits,
                               const std::vector<int>& classes) {
  check_softmax(logits, classes);
  return 1 / minimise_inverse_temperature([&](double beta) {
           Slopes s;
           for (std::size_t i = 0; i < logits.size(); ++i) {
             add_softmax_slopes(logits[i], classes[i], beta, s);
           }
           return s;
         });
}

std::string to_string(Kind kind) {
  for (const auto& [value, name] : kKinds) {
    if (value == kind) return name;
  }
  throw Error("A calibration is of no known kind.");
}

Kind parse_calibration_kind(const std::string& name) {
  for (const auto& [value, text] : kKinds) {
    if (text == name) return value;
  }
  throw UsageError(fmt::format(
      "\"{}\" is not a calibration; choose none, temperature, platt or isotonic.", name));
}

}  // namespace salus::evaluate
