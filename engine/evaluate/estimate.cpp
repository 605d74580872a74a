#include "engine/evaluate/estimate.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

namespace salus::evaluate {
namespace {

/// What a proportion is counted over: hits among the cases that `applies` selects.
struct Proportion {
  const char* name;
  bool (*applies)(bool target, bool called);
};

constexpr std::array<Proportion, 5> kProportions{{
    {"accuracy", [](bool, bool) { return true; }},
    {"sensitivity", [](bool target, bool) { return target; }},
    {"specificity", [](bool target, bool) { return !target; }},
    {"ppv", [](bool, bool called) { return called; }},
    {"npv", [](bool, bool called) { return !called; }},
}};

/// Number of patients whose cases a proportion is counted over; cases of one patient are one, so
/// that the interval is not too narrow.
double counted_patients(const Question& q, const Proportion& proportion) {
  std::set<std::uint32_t> counted;
  for (std::size_t i = 0; i < q.targets.size(); ++i) {
    if (proportion.applies(q.targets[i] == 1, q.decisions[i] == 1)) counted.insert(q.patient[i]);
  }
  return static_cast<double>(counted.size());
}

std::optional<Interval> proportion_interval(const Question& q, const Estimate& e, double level) {
  for (const Proportion& proportion : kProportions) {
    if (e.name != proportion.name) continue;
    const bool is_extreme = e.value == 0 || e.value == 1;
    if (!q.one_case_per_patient() && !is_extreme) return std::nullopt;
    const double n = counted_patients(q, proportion);
    return wilson_interval(std::round(e.value * n), n, level);
  }
  return std::nullopt;
}

double patients_of_class(const Question& q, double target) {
  std::set<std::uint32_t> patients;
  for (std::size_t i = 0; i < q.targets.size(); ++i) {
    if (q.targets[i] == target) patients.insert(q.patient[i]);
  }
  return static_cast<double>(patients.size());
}

std::optional<Interval> auroc_interval(const Question& q, const Estimate& e,
                                       const EvaluationOptions& options) {
  if (e.name != "auroc") return std::nullopt;
  if (e.value == 0 || e.value == 1) {
    return newcombe_interval(e.value, patients_of_class(q, 1), patients_of_class(q, 0),
                             options.level);
  }
  const bool only_analytic = options.resampling.replicates <= 0;
  if (!q.one_case_per_patient() || !(options.delong || only_analytic)) return std::nullopt;
  return delong_interval(delong(q.probabilities, q.targets), options.level);
}

unsigned group_of(const std::string& metric) {
  if (metric == "auroc" || metric == "auprc") return kRanking;
  if (metric == "brier" || metric == "log_loss" || metric.rfind("ece", 0) == 0) {
    return kProbability;
  }
  return metric.rfind("calibration", 0) == 0 ? kRecalibration : kDecision;
}

}  // namespace

std::size_t Question::positives() const {
  return static_cast<std::size_t>(std::count(targets.begin(), targets.end(), 1.0));
}

std::size_t Question::patients() const {
  return std::set<std::uint32_t>(patient.begin(), patient.end()).size();
}

Question make_question(const Predictions& predictions, const std::vector<std::size_t>& rows,
                       const std::vector<std::uint32_t>& patient, std::size_t label,
                       double threshold) {
  Question q;
  for (const std::size_t row : rows) {
    if (std::isnan(predictions.targets[row][label])) continue;
    q.probabilities.push_back(predictions.probabilities[row][label]);
    q.targets.push_back(predictions.targets[row][label]);
    q.patient.push_back(patient[row]);
    q.decisions.push_back(q.probabilities.back() >= threshold);
  }
  return q;
}

PatientBootstrap resampler(const Question& question) {
  return {question.patient, std::vector<int>(question.targets.begin(), question.targets.end())};
}

std::vector<Estimate> estimate_binary(const Question& q, const EvaluationOptions& options,
                                      unsigned groups) {
  std::vector<MetricField<BinaryMetrics>> fields;
  for (const auto& field : binary_metric_fields()) {
    if (group_of(field.name) & groups) fields.push_back(field);
  }
  if (q.targets.empty()) {
    std::vector<Estimate> absent;
    for (const auto& field : fields) {
      absent.push_back({field.name, std::nan(""), std::nullopt, absent_reason(field.name, 0, 0)});
    }
    return absent;
  }
  const BinaryEvaluator evaluator(sort_cases(q.probabilities, q.targets), q.decisions, groups);
  std::vector<Estimate> estimates = estimate_fields<BinaryMetrics>(
      fields, resampler(q), [&](std::span<const double> weights) { return evaluator(weights); },
      options, "");
  const std::size_t positives = q.positives();
  for (Estimate& e : estimates) {
    if (std::isnan(e.value)) {
      e.absent_because = absent_reason(e.name, positives, q.targets.size() - positives);
    } else if (const auto proportion = proportion_interval(q, e, options.level)) {
      e.interval = proportion;
    } else if (const auto area = auroc_interval(q, e, options)) {
      e.interval = area;
    }
  }
  return estimates;
}

}  // namespace salus::evaluate
