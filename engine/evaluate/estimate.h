#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/evaluate/evaluation.h"

namespace salus::evaluate {

/// The known cases of one yes/no question.
struct Question {
  std::vector<double> probabilities, targets;
  std::vector<std::uint32_t> patient;  ///< dense numbers
  std::vector<std::uint8_t> decisions;

  std::size_t positives() const;
  std::size_t patients() const;
  bool one_case_per_patient() const { return patients() == probabilities.size(); }
};

/// Keeps the rows (of `rows`) whose target is known. Decisions at `threshold`.
Question make_question(const Predictions& predictions, const std::vector<std::size_t>& rows,
                       const std::vector<std::uint32_t>& patient, std::size_t label,
                       double threshold);

/// Patients within strata of the outcome. \throws Error if there are no cases.
PatientBootstrap resampler(const Question& question);

/// All binary metrics of a question, or only those at its decisions, with intervals.
std::vector<Estimate> estimate_binary(const Question& question, const EvaluationOptions& options,
                                      unsigned groups = kAllMetrics);

/// Every field of a metrics struct, with percentile intervals of `statistic` under `patients`.
template <typename Metrics>
std::vector<Estimate> estimate_fields(
    std::span<const MetricField<Metrics>> fields, const PatientBootstrap& patients,
    const std::function<Metrics(std::span<const double>)>& statistic,
    const EvaluationOptions& options, const std::string& absent_because) {
  const std::vector<double> ones(patients.cases(), 1.0);
  const Metrics point = statistic(ones);
  const auto replicates = bootstrap(
      patients, fields.size(),
      [&](std::span<const double> weights, std::span<double> values) {
        const Metrics m = statistic(weights);
        for (std::size_t f = 0; f < fields.size(); ++f) values[f] = m.*fields[f].value;
      },
      options.resampling);
  std::vector<Estimate> estimates;
  for (std::size_t f = 0; f < fields.size(); ++f) {
    Estimate e{fields[f].name, point.*fields[f].value, std::nullopt, ""};
    if (std::isnan(e.value)) {
      e.absent_because = absent_because;
    } else {
      const Interval interval = percentile_interval(replicates[f], options.level);
      // Every replicate the same: that is the method's limit, not certainty.
      if (interval.high > interval.low) e.interval = interval;
    }
    estimates.push_back(std::move(e));
  }
  return estimates;
}

}  // namespace salus::evaluate
