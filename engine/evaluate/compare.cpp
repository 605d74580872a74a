#include "engine/evaluate/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/evaluate/compare_sums.h"
#include "engine/evaluate/estimate.h"
#include "engine/io/error.h"

namespace salus::evaluate {
namespace {

/// Midranks over (0, 1), so that models on different scales can be exchanged.
std::vector<double> ranks(const std::vector<double>& scores, const std::vector<double>& targets) {
  const BinaryCases cases = sort_cases(scores, targets);
  std::vector<double> rank(scores.size(), 0.5);
  const double n = static_cast<double>(cases.size());
  for (std::size_t begin = 0, end = 0; begin < cases.size(); begin = end) {
    while (!cases.ends_tie(end++)) {
    }
    const double middle = static_cast<double>(begin + end) / 2;
    for (std::size_t i = begin; i < end; ++i) rank[cases.index[i]] = 1 - middle / n;
  }
  return rank;
}

std::vector<double> decisions(const Side& side) {
  std::vector<double> called;
  called.reserve(side.probabilities.size());
  for (const double p : side.probabilities) called.push_back(p >= side.threshold ? 1 : 0);
  return called;
}

struct Metric {
  double BinaryMetrics::* value;
  unsigned group;
};

Metric find_metric(const std::string& name) {
  for (const auto& field : binary_metric_fields()) {
    if (name != field.name) continue;
    if (name == "auroc" || name == "auprc") return {field.value, kRanking};
    if (name.rfind("calibration", 0) == 0) return {field.value, kRecalibration};
    const bool probability = name == "brier" || name == "log_loss" || name.rfind("ece", 0) == 0;
    return {field.value, probability ? kProbability : kDecision};
  }
  throw Error(
      fmt::format("\"{}\" is not a metric of a yes/no question that could be compared.", name));
}

std::vector<double> exchangeable(const Side& side, const std::vector<double>& targets,
                                 unsigned group) {
  if (group == kRanking) return ranks(side.probabilities, targets);
  return group == kDecision ? decisions(side) : side.probabilities;
}

/// Both models' outputs one after the other: giving weight to one of a case's two entries picks the
/// model, so both resamplings reuse one sorted evaluator.
class Pair {
 public:
  Pair(const Metric& metric, const Side& first, const Side& second,
       const std::vector<double>& targets)
      : cases_(targets.size()),
        value_(metric.value),
        evaluator_(stack(metric, first, second, targets), 0.5, metric.group) {}

  /// Metric of the model that takes case i from the second where swap[i] is `side`.
  template <typename Swap>
  double value(std::span<const double> weights, const Swap& takes_second) const {
    std::vector<double> both(2 * cases_);
    for (std::size_t i = 0; i < cases_; ++i) {
      both[takes_second(i) ? cases_ + i : i] = weights[i];
    }
    return evaluator_(both).*value_;
  }

 private:
  static BinaryCases stack(const Metric& metric, const Side& first, const Side& second,
                           const std::vector<double>& targets) {
    std::vector<double> scores = exchangeable(first, targets, metric.group);
    const std::vector<double> others = exchangeable(second, targets, metric.group);
    scores.insert(scores.end(), others.begin(), others.end());
    std::vector<double> twice = targets;
    twice.insert(twice.end(), targets.begin(), targets.end());
    return sort_cases(scores, twice);
  }

  std::size_t cases_;
  double BinaryMetrics::* value_;
  BinaryEvaluator evaluator_;
};

void check_lengths(std::size_t first, std::size_t second, std::size_t targets) {
  if (first == targets && second == targets && targets > 0) return;
  throw Error(fmt::format(
      "A comparison got {} and {} scores for {} targets; both models must have scored the same "
      "cases, at least one.",
      first, second, targets));
}

}  // namespace

Comparison compare_delong(const std::vector<double>& first, const std::vector<double>& second,
                          const std::vector<double>& targets, double level) {
  check_lengths(first.size(), second.size(), targets.size());
  const Delong a = delong(first, targets), b = delong(second, targets);
  Comparison c{"auroc", "", a.auroc, b.auroc, b.auroc - a.auroc, {}, 1, "delong", ""};
  const double variance = a.variance() + b.variance() - 2 * delong_covariance(a, b);
  // Cancellation leaves a little where both models order the cases alike.
  if (!(variance > 1e-15)) {
    if (std::abs(c.difference) < 1e-12) return c;
    c.p_value = std::nan("");
    c.absent_because =
        "the cases leave DeLong's test no variance (one model separates them wholly, the other is "
        "the same for all); a permutation test says more";
    return c;
  }
  const double error = std::sqrt(variance);
  const double half = normal_quantile(0.5 + level / 2) * error;
  c.p_value = two_sided_p(c.difference / error);
  c.interval = Interval{c.difference - half, c.difference + half, "delong"};
  return c;
}

Comparison compare_permutation(const std::string& metric, const Side& first, const Side& second,
                               const std::vector<double>& targets,
                               const std::vector<std::string>& patients,
                               const ResamplingOptions& options, double level) {
  check_lengths(first.probabilities.size(), second.probabilities.size(), targets.size());
  const Pair pair(find_metric(metric), first, second, targets);
  const auto patient = patient_numbers(patients, targets.size());
  const std::vector<double> ones(targets.size(), 1.0);
  const auto is_first = [](std::size_t) { return false; };
  const auto is_second = [](std::size_t) { return true; };
  Comparison c{metric,        "", pair.value(ones, is_first), pair.value(ones, is_second), 0, {}, 1,
               "permutation", ""};
  c.difference = c.second - c.first;
  if (std::isnan(c.difference)) {
    const BinaryCases cases = sort_cases(first.probabilities, targets);
    c.absent_because = absent_reason(metric, cases.positives, cases.negatives());
    return c;
  }
  std::vector<double> null(static_cast<std::size_t>(std::max(options.replicates, 0)));
  parallel_for(null.size(), options.threads, [&](std::size_t r) {
    const auto heads = coins(count_patients(patient), options.seed, r);
    const double swapped = pair.value(ones, [&](std::size_t i) { return heads[patient[i]] == 0; });
    const double kept = pair.value(ones, [&](std::size_t i) { return heads[patient[i]] == 1; });
    null[r] = swapped - kept;
  });
  c.p_value = permutation_p(c.difference, null);
  std::vector<int> strata;
  strata.reserve(targets.size());
  for (const double y : targets) strata.push_back(y == 1 ? 1 : 0);
  auto replicates = bootstrap(
      PatientBootstrap(patient, strata), 1,
      [&](std::span<const double> w, std::span<double> out) {
        out[0] = pair.value(w, is_second) - pair.value(w, is_first);
      },
      options);
  set_interval(std::move(replicates[0]), level, c);
  return c;
}

Comparison compare_losses(const std::string& metric, const std::vector<double>& first,
                          const std::vector<double>& second,
                          const std::vector<std::string>& patients,
                          const ResamplingOptions& options, double level) {
  check_lengths(first.size(), second.size(), first.size());
  const auto patient = patient_numbers(patients, first.size());
  PairedSums sums;
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (std::isnan(first[i]) || std::isnan(second[i])) continue;
    sums.first.push_back(first[i]);
    sums.second.push_back(second[i]);
    sums.patient.push_back(patient[i]);
  }
  sums.units.assign(sums.first.size(), 1.0);
  sums.stratum.assign(sums.first.size(), 0);
  return compare_sums(metric, sums, "no case has a known target", options, level);
}

}  // namespace salus::evaluate
