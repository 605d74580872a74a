#pragma once

#include <string>
#include <vector>

#include "engine/evaluate/evaluation.h"

namespace salus::evaluate {

/// A metric of two models on the same cases.
struct Comparison {
  std::string metric;
  std::string label;  ///< "" = over all labels
  double first = 0;   ///< NaN with `absent_because` if the metric cannot be had
  double second = 0;
  double difference = 0;             ///< second - first
  std::optional<Interval> interval;  ///< of the difference
  double p_value = 1;                ///< two-sided: no difference
  std::string test;                  ///< "delong", "permutation"
  std::string absent_because;
};

/// DeLong's paired test of two AUROCs on the same independent cases; interval of the difference by
/// the same variance. Equal scores give p = 1. \throws Error as delong() does, or if lengths
/// differ.
Comparison compare_delong(const std::vector<double>& first, const std::vector<double>& second,
                          const std::vector<double>& targets, double level = 0.95);

/// What one model said of the cases of a comparison.
struct Side {
  std::vector<double> probabilities;
  double threshold = 0.5;  ///< its own operating point
};

/// Paired permutation test of any BinaryMetrics field: under the null the two models' outputs of a
/// patient may be exchanged. Outputs are made exchangeable first: ranks for auroc and auprc (scales
/// may differ), decisions for metrics at a threshold, probabilities for the others.
/// p = (1 + replicates as extreme) / (1 + replicates). The interval is a paired patient bootstrap
/// of the difference.
///
/// \param patients  one per case, or empty.
/// \throws Error for an unknown metric or malformed input.
Comparison compare_permutation(const std::string& metric, const Side& first, const Side& second,
                               const std::vector<double>& targets,
                               const std::vector<std::string>& patients,
                               const ResamplingOptions& options, double level = 0.95);

/// Sign-flip permutation test of the mean of paired losses (absolute errors of a regression, 0/1
/// errors of a multiclass decision); NaN in either leaves the case out.
Comparison compare_losses(const std::string& metric, const std::vector<double>& first,
                          const std::vector<double>& second,
                          const std::vector<std::string>& patients,
                          const ResamplingOptions& options, double level = 0.95);

/// All that is compared by `salus evaluate --against`: per label AUROC by DeLong (where each
/// patient has one case) and by permutation, auprc, brier, sensitivity and specificity by
/// permutation, and with labels a step the utility (sepsis_utility.h); multiclass also accuracy;
/// regression mae.
/// \param label_lead  as StepOptions has it.
/// \throws Error if task, labels, targets or the number of cases differ.
std::vector<Comparison> compare(const Predictions& first, const Predictions& second,
                                const std::vector<OperatingPoint>& first_points,
                                const std::vector<OperatingPoint>& second_points,
                                const ResamplingOptions& options, double level = 0.95,
                                double label_lead = StepOptions().label_lead);

std::string to_json(const std::vector<Comparison>& comparisons);
std::string to_text(const std::vector<Comparison>& comparisons);

}  // namespace salus::evaluate
