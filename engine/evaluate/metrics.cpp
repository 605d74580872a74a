#include "engine/evaluate/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "engine/io/error.h"

namespace salus::evaluate {
namespace {

constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();

double ratio(double numerator, double denominator) {
  return denominator > 0 ? numerator / denominator : kAbsent;
}

struct Totals {
  double positives = 0, negatives = 0;
  double n() const { return positives + negatives; }
};

Totals totals(const BinaryCases& cases, std::span<const double> weights) {
  Totals t;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    (cases.positive[i] ? t.positives : t.negatives) += weights[i];
  }
  return t;
}

struct Ranking {
  double auroc, auprc;
};

/// One pass from the highest score down, a run of equal scores at a time.
Ranking ranking(const BinaryCases& cases, std::span<const double> weights, const Totals& t) {
  double tp = 0, fp = 0, group_p = 0, group_n = 0, pairs = 0, precision_sum = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    (cases.positive[i] ? group_p : group_n) += weights[i];
    if (!cases.ends_tie(i)) continue;
    pairs += group_n * (tp + group_p / 2);
    tp += group_p;
    fp += group_n;
    if (group_p > 0) precision_sum += group_p * (tp / (tp + fp));
    group_p = group_n = 0;
  }
  const double auprc = t.negatives > 0 ? ratio(precision_sum, t.positives) : kAbsent;
  return {ratio(pairs, t.positives * t.negatives), auprc};
}

/// Mass, probability and positives of the bins of a calibration error.
struct Bins {
  std::array<double, kCalibrationBins> p{}, y{};

  void add(std::size_t bin, double weight, double probability, bool positive) {
    p[bin] += weight * probability;
    y[bin] += positive ? weight : 0;
  }
  double error(double n) const {
    double sum = 0;
    for (int b = 0; b < kCalibrationBins; ++b) sum += std::abs(p[b] - y[b]);
    return ratio(sum, n);
  }
};

std::size_t width_bin(double p) {
  return std::min<std::size_t>(static_cast<std::size_t>(p * kCalibrationBins),
                               kCalibrationBins - 1);
}

double ece_equal_width(const BinaryCases& cases, std::span<const double> weights, double n) {
  Bins bins;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    bins.add(width_bin(cases.scores[i]), weights[i], cases.scores[i], cases.positive[i]);
  }
  return bins.error(n);
}

/// A run of equal scores goes whole into the bin in which the middle of its mass lies.
double ece_equal_mass(const BinaryCases& cases, std::span<const double> weights, double n) {
  Bins bins;
  double above = 0, mass = 0, positives = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    mass += weights[i];
    positives += cases.positive[i] ? weights[i] : 0;
    if (!cases.ends_tie(i)) continue;
    if (mass > 0) {
      const double below = n - above - mass;
      const auto bin = static_cast<std::size_t>((2 * below + mass) * kCalibrationBins / (2 * n));
      const std::size_t last = kCalibrationBins - 1;
      bins.p[std::min(bin, last)] += mass * cases.scores[i];
      bins.y[std::min(bin, last)] += positives;
    }
    above += mass;
    mass = positives = 0;
  }
  return bins.error(n);
}

std::vector<std::uint8_t> call(const BinaryCases& cases, double threshold) {
  std::vector<std::uint8_t> called;
  called.reserve(cases.size());
  for (const double score : cases.scores) called.push_back(score >= threshold);
  return called;
}

/// Weights and decisions are functions of a case's position among the sorted ones.
template <typename Weight, typename Called>
Confusion count(const BinaryCases& cases, const Weight& weight, const Called& called) {
  Confusion c;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (called(i)) {
      (cases.positive[i] ? c.tp : c.fp) += weight(i);
    } else {
      (cases.positive[i] ? c.fn : c.tn) += weight(i);
    }
  }
  return c;
}

double one(std::size_t) { return 1; }

void set_decision(const Confusion& c, BinaryMetrics& m) {
  m.accuracy = c.accuracy();
  m.balanced_accuracy = c.balanced_accuracy();
  m.f1 = c.f1();
  m.sensitivity = c.sensitivity();
  m.specificity = c.specificity();
  m.ppv = c.ppv();
  m.npv = c.npv();
}

constexpr std::array<MetricField<BinaryMetrics>, 16> kFields{{
    {"auroc", &BinaryMetrics::auroc},
    {"auprc", &BinaryMetrics::auprc},
    {"accuracy", &BinaryMetrics::accuracy},
    {"balanced_accuracy", &BinaryMetrics::balanced_accuracy},
    {"f1", &BinaryMetrics::f1},
    {"sensitivity", &BinaryMetrics::sensitivity},
    {"specificity", &BinaryMetrics::specificity},
    {"ppv", &BinaryMetrics::ppv},
    {"npv", &BinaryMetrics::npv},
    {"brier", &BinaryMetrics::brier},
    {"log_loss", &BinaryMetrics::log_loss},
    {"ece", &BinaryMetrics::ece},
    {"ece_equal_mass", &BinaryMetrics::ece_equal_mass},
    {"calibration_slope", &BinaryMetrics::calibration_slope},
    {"calibration_intercept", &BinaryMetrics::calibration_intercept},
    {"calibration_in_the_large", &BinaryMetrics::calibration_in_the_large},
}};

}  // namespace

double Confusion::accuracy() const { return ratio(tp + tn, n()); }
double Confusion::balanced_accuracy() const { return (sensitivity() + specificity()) / 2; }
double Confusion::f1() const { return tp + fn > 0 ? ratio(2 * tp, 2 * tp + fp + fn) : kAbsent; }
double Confusion::sensitivity() const { return ratio(tp, tp + fn); }
double Confusion::specificity() const { return ratio(tn, tn + fp); }
double Confusion::ppv() const { return ratio(tp, tp + fp); }
double Confusion::npv() const { return ratio(tn, tn + fn); }
double Confusion::event1() const {
  return std::isnan(ppv()) ? kAbsent : std::min(sensitivity(), ppv());
}

Confusion confusion(const BinaryCases& cases, double threshold) {
  return count(cases, one, [&](std::size_t i) { return cases.scores[i] >= threshold; });
}

Confusion confusion(const BinaryCases& cases, double threshold, std::span<const double> weights) {
  return count(
      cases, [&](std::size_t i) { return weights[cases.index[i]]; },
      [&](std::size_t i) { return cases.scores[i] >= threshold; });
}

Confusion confusion(const std::vector<double>& scores, const std::vector<double>& targets,
                    double threshold) {
  return confusion(sort_cases(scores, targets), threshold);
}

double auroc(const std::vector<double>& scores, const std::vector<double>& targets) {
  const BinaryCases cases = sort_cases(scores, targets);
  const std::vector<double> ones(cases.size(), 1.0);
  return ranking(cases, ones, totals(cases, ones)).auroc;
}

double auprc(const std::vector<double>& scores, const std::vector<double>& targets) {
  const BinaryCases cases = sort_cases(scores, targets);
  const std::vector<double> ones(cases.size(), 1.0);
  return ranking(cases, ones, totals(cases, ones)).auprc;
}

std::span<const MetricField<BinaryMetrics>> binary_metric_fields() { return kFields; }

BinaryMetrics binary_metrics(const std::vector<double>& probabilities,
                             const std::vector<double>& targets, double threshold) {
  return BinaryEvaluator(sort_cases(probabilities, targets), threshold)();
}

std::string absent_reason(const std::string& metric, std::size_t positives, std::size_t negatives) {
  if (positives + negatives == 0) return "no case has a known target";
  const bool needs_positive = metric != "accuracy" && metric != "specificity" &&
                              metric != "brier" && metric != "log_loss" && metric != "npv" &&
                              metric != "ppv" && metric.rfind("ece", 0) != 0;
  const bool needs_negative = needs_positive && metric != "sensitivity" && metric != "f1";
  if (positives == 0 && needs_positive) return "no case is positive";
  if (negatives == 0 && (needs_negative || metric == "specificity")) return "no case is negative";
  if (metric == "ppv") return "no case is called positive at this threshold";
  if (metric == "npv") return "no case is called negative at this threshold";
  return "the classes are separated or all probabilities are equal, so no finite fit exists";
}

BinaryEvaluator::BinaryEvaluator(BinaryCases cases, double threshold, unsigned groups)
    : cases_(std::move(cases)), groups_(groups), called_(call(cases_, threshold)) {
  prepare();
}

BinaryEvaluator::BinaryEvaluator(BinaryCases cases, const std::vector<std::uint8_t>& decisions,
                                 unsigned groups)
    : cases_(std::move(cases)), groups_(groups) {
  for (const std::uint32_t i : cases_.index) called_.push_back(decisions.at(i));
  prepare();
}

void BinaryEvaluator::prepare() {
  require_probabilities(cases_);
  for (std::size_t i = 0; i < cases_.size(); ++i) {
    constexpr double kClip = std::numeric_limits<double>::epsilon();
    const double p = std::clamp(cases_.scores[i], kClip, 1 - kClip);
    targets_.push_back(cases_.positive[i]);
    logit_.push_back(clipped_logit(p));
    log_loss_.push_back(cases_.positive[i] ? -std::log(p) : -std::log1p(-p));
  }
  if (groups_ & kRecalibration) {
    line_ = fit_logistic(logit_, targets_, {}, {1, 0});
    if (!line_.converged) line_ = {};
    in_the_large_ = fit_intercept(logit_, targets_, {}).intercept;
  }
}

void BinaryEvaluator::recalibrate(std::span<const double> weights, BinaryMetrics& m) const {
  const LogisticFit line = fit_logistic(logit_, targets_, weights, line_);
  if (line.converged) {
    m.calibration_slope = line.slope;
    m.calibration_intercept = line.intercept;
  }
  const LogisticFit shift = fit_intercept(logit_, targets_, weights, in_the_large_);
  if (shift.converged) m.calibration_in_the_large = shift.intercept;
}

BinaryMetrics BinaryEvaluator::compute(std::span<const double> weights) const {
  BinaryMetrics m;
  for (const auto& field : kFields) m.*field.value = kAbsent;
  const Totals t = totals(cases_, weights);
  if (groups_ & kRanking) {
    const Ranking r = ranking(cases_, weights, t);
    m.auroc = r.auroc;
    m.auprc = r.auprc;
  }
  if (groups_ & kDecision) {
    const auto weight = [&](std::size_t i) { return weights[i]; };
    set_decision(count(cases_, weight, [&](std::size_t i) { return called_[i]; }), m);
  }
  if (groups_ & kProbability) {
    double brier = 0, log_loss = 0;
    for (std::size_t i = 0; i < cases_.size(); ++i) {
      const double error = cases_.scores[i] - targets_[i];
      brier += weights[i] * error * error;
      log_loss += weights[i] * log_loss_[i];
    }
    m.brier = ratio(brier, t.n());
    m.log_loss = ratio(log_loss, t.n());
    m.ece = ece_equal_width(cases_, weights, t.n());
    m.ece_equal_mass = ece_equal_mass(cases_, weights, t.n());
  }
  if ((groups_ & kRecalibration) && t.positives > 0 && t.negatives > 0) recalibrate(weights, m);
  return m;
}

Confusion BinaryEvaluator::confusion() const {
  return count(cases_, one, [&](std::size_t i) { return called_[i]; });
}

BinaryMetrics BinaryEvaluator::operator()() const {
  return compute(std::vector<double>(cases_.size(), 1.0));
}

BinaryMetrics BinaryEvaluator::operator()(std::span<const double> weights) const {
  std::vector<double> sorted(cases_.size());
  for (std::size_t i = 0; i < cases_.size(); ++i) sorted[i] = weights[cases_.index[i]];
  return compute(sorted);
}

}  // namespace salus::evaluate
