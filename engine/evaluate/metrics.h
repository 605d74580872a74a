#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "engine/evaluate/cases.h"
#include "engine/evaluate/logistic.h"

namespace salus::evaluate {

/// Everywhere here NaN means absent: the metric is not defined on these cases (one class missing,
/// nothing called positive). absent_reason() says why. A number is never made up.

/// Sums of case weights; weights are 1 but in a bootstrap replicate.
struct Confusion {
  double tp = 0, fp = 0, tn = 0, fn = 0;

  double n() const { return tp + fp + tn + fn; }
  double accuracy() const;
  double balanced_accuracy() const;  ///< mean of sensitivity and specificity
  double f1() const;                 ///< 2 tp / (2 tp + fp + fn)
  double sensitivity() const;
  double specificity() const;
  double ppv() const;
  double npv() const;
  double event1() const;  ///< min(sensitivity, ppv): Event 1 of the PhysioNet Challenge 2012
};

/// A case is called positive where score >= threshold.
Confusion confusion(const BinaryCases& cases, double threshold);
Confusion confusion(const std::vector<double>& scores, const std::vector<double>& targets,
                    double threshold);
/// \param weights  by position in the caller's vectors: a case counts so often.
Confusion confusion(const BinaryCases& cases, double threshold, std::span<const double> weights);

/// Area under the ROC curve: P(positive's score > negative's) + P(equal) / 2, exact under ties.
/// Scores may be on any scale. Targets are 0, 1 or NaN (left out). NaN if a class is absent.
/// \throws Error as sort_cases() does.
double auroc(const std::vector<double>& scores, const std::vector<double>& targets);

/// Average precision as scikit-learn defines it: sum over thresholds of recall step x precision.
double auprc(const std::vector<double>& scores, const std::vector<double>& targets);

/// Number of bins of both calibration errors.
inline constexpr int kCalibrationBins = 15;

/// The metrics of probabilities of one yes/no question.
struct BinaryMetrics {
  double auroc, auprc;
  double accuracy, balanced_accuracy, f1, sensitivity, specificity, ppv, npv;  ///< at a threshold
  double brier;                                                                ///< mean (p - y)^2
  double log_loss;                  ///< natural log; p clipped to [2^-52, 1 - 2^-52]
  double ece;                       ///< sum n_b / n |mean p - prevalence|, bins [k/15, (k+1)/15)
  double ece_equal_mass;            ///< the same over 15 bins of equal count; ties share a bin
  double calibration_slope;         ///< logistic regression of y on logit(p): slope, 1 is ideal
  double calibration_intercept;     ///< its intercept, 0 is ideal
  double calibration_in_the_large;  ///< intercept with the slope held at 1
};

template <typename Metrics>
struct MetricField {
  const char* name;  ///< key in JSON and configurations
  double Metrics::* value;
};
std::span<const MetricField<BinaryMetrics>> binary_metric_fields();

/// \throws Error as sort_cases() does, or if a probability is outside [0, 1].
BinaryMetrics binary_metrics(const std::vector<double>& probabilities,
                             const std::vector<double>& targets, double threshold = 0.5);

/// Why `metric` (a name of binary_metric_fields) is absent on these cases, as a clause.
std::string absent_reason(const std::string& metric, std::size_t positives, std::size_t negatives);

/// Which metrics an evaluator computes; the others are NaN.
enum MetricGroup : unsigned { kRanking = 1, kDecision = 2, kProbability = 4, kRecalibration = 8 };
inline constexpr unsigned kAllMetrics = 15;

/// Computes BinaryMetrics again and again under other case weights (bootstrap): sorts and takes
/// logarithms once. operator() is const and thread-safe.
class BinaryEvaluator {
 public:
  /// `cases` hold probabilities. \throws Error if one is outside [0, 1].
  BinaryEvaluator(BinaryCases cases, double threshold, unsigned groups = kAllMetrics);
  /// Decisions that are not a threshold's (the most probable class): 0 or 1 by position in the
  /// caller's vectors.
  BinaryEvaluator(BinaryCases cases, const std::vector<std::uint8_t>& decisions,
                  unsigned groups = kAllMetrics);

  BinaryMetrics operator()() const;  ///< every weight 1
  /// \param weights  by position in the caller's vectors (masked cases' weights are not read).
  BinaryMetrics operator()(std::span<const double> weights) const;
  const BinaryCases& cases() const { return cases_; }
  Confusion confusion() const;  ///< every weight 1

 private:
  BinaryMetrics compute(std::span<const double> sorted_weights) const;
  void prepare();
  void recalibrate(std::span<const double> weights, BinaryMetrics& m) const;

  BinaryCases cases_;
  unsigned groups_;
  std::vector<std::uint8_t> called_;  // decision of each sorted case
  std::vector<double> targets_, logit_, log_loss_;
  LogisticFit line_{};  // of the unweighted cases: where each replicate's fit begins
  double in_the_large_ = 0;
};

}  // namespace salus::evaluate
