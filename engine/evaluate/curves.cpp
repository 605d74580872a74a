#include "engine/evaluate/curves.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "engine/evaluate/intervals.h"

namespace salus::evaluate {
namespace {

constexpr int kBandSteps = 100;

bool on_straight_line(const RocPoint& a, const RocPoint& b, const RocPoint& c) {
  const double area = (b.fpr - a.fpr) * (c.tpr - a.tpr) - (c.fpr - a.fpr) * (b.tpr - a.tpr);
  return std::abs(area) < 1e-15;
}

std::size_t bin_of(double p, std::size_t bins) {
  return std::min(static_cast<std::size_t>(std::max(p, 0.0) * static_cast<double>(bins)), bins - 1);
}

/// True-positive rates of weighted cases at the grid k / kBandSteps, linear between points.
void roc_on_grid(const BinaryCases& cases, std::span<const double> weights,
                 std::span<double> rates) {
  double p = 0, n = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    (cases.positive[i] ? p : n) += weights[cases.index[i]];
  }
  double tp = 0, fp = 0, last_tp = 0, last_fp = 0;
  int k = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    (cases.positive[i] ? tp : fp) += weights[cases.index[i]];
    if (!cases.ends_tie(i)) continue;
    // On a vertical run the upper end counts, so a grid point is passed only by a larger fp.
    for (; k <= kBandSteps && fp > n * k / kBandSteps; ++k) {
      const double share = (n * k / kBandSteps - last_fp) / (fp - last_fp);
      rates[k] = (last_tp + share * (tp - last_tp)) / p;
    }
    last_tp = tp;
    last_fp = fp;
  }
  for (; k <= kBandSteps; ++k) rates[k] = 1;
  if (p == 0 || n == 0) std::fill(rates.begin(), rates.end(), std::nan(""));
}

}  // namespace

std::vector<RocPoint> roc_curve(const BinaryCases& cases) {
  if (!cases.has_both_classes()) return {};
  const double p = static_cast<double>(cases.positives), n = static_cast<double>(cases.negatives());
  std::vector<RocPoint> curve{{0, 0, std::numeric_limits<double>::infinity()}};
  double tp = 0, fp = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    (cases.positive[i] ? tp : fp) += 1;
    if (!cases.ends_tie(i)) continue;
    const RocPoint point{fp / n, tp / p, cases.scores[i]};
    if (curve.size() > 1 && on_straight_line(curve[curve.size() - 2], curve.back(), point)) {
      curve.pop_back();
    }
    curve.push_back(point);
  }
  return curve;
}

std::vector<PrPoint> pr_curve(const BinaryCases& cases) {
  if (cases.positives == 0) return {};
  const double p = static_cast<double>(cases.positives);
  std::vector<PrPoint> curve;
  double tp = 0, called = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    tp += cases.positive[i];
    called += 1;
    if (!cases.ends_tie(i)) continue;
    if (curve.empty()) curve.push_back({0, tp / called, cases.scores[i]});
    curve.push_back({tp / p, tp / called, cases.scores[i]});
  }
  return curve;
}

std::vector<ReliabilityBin> reliability(const BinaryCases& cases, int bins) {
  const auto count = static_cast<std::size_t>(bins);
  std::vector<ReliabilityBin> result(count);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    ReliabilityBin& bin = result[bin_of(cases.scores[i], count)];
    bin.n += 1;
    bin.predicted += cases.scores[i];
    bin.observed += cases.positive[i];
  }
  for (std::size_t b = 0; b < count; ++b) {
    ReliabilityBin& bin = result[b];
    bin.low = static_cast<double>(b) / bins;
    bin.high = static_cast<double>(b + 1) / bins;
    const double n = static_cast<double>(bin.n);
    const Interval wilson = wilson_interval(bin.observed, n);
    bin.low95 = bin.n > 0 ? wilson.low : std::nan("");
    bin.high95 = bin.n > 0 ? wilson.high : std::nan("");
    bin.predicted = bin.n > 0 ? bin.predicted / n : std::nan("");
    bin.observed = bin.n > 0 ? bin.observed / n : std::nan("");
  }
  return result;
}

ScoreHistogram score_histogram(const BinaryCases& cases, int bins) {
  const auto count = static_cast<std::size_t>(bins);
  ScoreHistogram histogram{std::vector<std::size_t>(count), std::vector<std::size_t>(count)};
  for (std::size_t i = 0; i < cases.size(); ++i) {
    auto& side = cases.positive[i] ? histogram.positives : histogram.negatives;
    ++side[bin_of(cases.scores[i], count)];
  }
  return histogram;
}

RocBand roc_band(const BinaryCases& cases, const PatientBootstrap& patients,
                 const ResamplingOptions& options, double level) {
  if (!cases.has_both_classes() || options.replicates <= 0) return {};
  const auto replicates = bootstrap(
      patients, kBandSteps + 1,
      [&](std::span<const double> weights, std::span<double> out) {
        roc_on_grid(cases, weights, out);
      },
      options);
  RocBand band;
  for (int k = 0; k <= kBandSteps; ++k) {
    const Interval interval = percentile_interval(replicates[k], level);
    band.fpr.push_back(static_cast<double>(k) / kBandSteps);
    band.low.push_back(interval.low);
    band.high.push_back(interval.high);
  }
  return band;
}

}  // namespace salus::evaluate
