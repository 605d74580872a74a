#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/evaluate/metrics.h"

namespace salus::evaluate {

using Matrix = std::vector<std::vector<double>>;  ///< [cases][labels]

/// Column `label` of a matrix.
std::vector<double> column(const Matrix& rows, std::size_t label);

/// Metrics over all classes of a multiclass task. Areas are one-vs-rest; macro is the plain mean
/// over classes, micro pools every (case, class) pair. Macro metrics are absent unless every class
/// has cases inside and outside it. The decision is the most probable class (the first of equals).
struct MulticlassMetrics {
  double accuracy, balanced_accuracy, f1_macro;
  double auroc_macro, auroc_micro, auprc_macro;
  double brier;     ///< mean over cases of the sum over classes of (p - y)^2
  double log_loss;  ///< -log p of the true class, clipped as in BinaryMetrics
  double ece;       ///< of the top probability against being right, 15 equal-width bins
};
std::span<const MetricField<MulticlassMetrics>> multiclass_metric_fields();

/// Metrics over all findings of a multilabel task: macro is the plain mean over findings (absent
/// unless each has both classes), micro pools every known (case, finding) pair. Decisions use each
/// finding's own threshold.
struct MultilabelMetrics {
  double auroc_macro, auroc_micro, auprc_macro, auprc_micro;
  double f1_macro, balanced_accuracy_macro;
  double brier, log_loss, ece;  ///< plain means over findings
};
std::span<const MetricField<MultilabelMetrics>> multilabel_metric_fields();

/// Metrics of one quantity; NaN targets are left out.
struct RegressionMetrics {
  double mae, rmse;
  double r2;    ///< 1 - sum of squared errors / sum of squares about the mean; NaN if constant
  double bias;  ///< mean of prediction - target
};
std::span<const MetricField<RegressionMetrics>> regression_metric_fields();

/// As BinaryEvaluator: prepared once, computed under many weights; operator() is thread-safe.
class MulticlassEvaluator {
 public:
  /// \param probabilities  [n][classes] in [0, 1].
  /// \param targets        one-hot, or a row with NaN where the class is not known (left out).
  /// \throws Error naming a row that is neither, or a malformed matrix.
  MulticlassEvaluator(const Matrix& probabilities, const Matrix& targets);

  MulticlassMetrics operator()(std::span<const double> weights) const;  ///< one weight per row
  MulticlassMetrics operator()() const;
  /// [true class][called class] counts.
  const Matrix& confusion() const { return confusion_; }
  /// True class of each row, -1 where not known.
  const std::vector<int>& classes() const { return truth_; }

 private:
  void score_decisions(std::span<const double> weights, MulticlassMetrics& m) const;
  std::vector<int> truth_, called_;
  std::vector<double> top_, squared_, log_loss_;
  std::vector<BinaryEvaluator> one_vs_rest_;
  std::unique_ptr<BinaryEvaluator> micro_;
  Matrix confusion_;
};

class MultilabelEvaluator {
 public:
  /// \param thresholds  one per label. \throws Error as BinaryEvaluator does.
  MultilabelEvaluator(const Matrix& probabilities, const Matrix& targets,
                      const std::vector<double>& thresholds);

  MultilabelMetrics operator()(std::span<const double> weights) const;  ///< one weight per row
  MultilabelMetrics operator()() const;

 private:
  std::size_t rows_;
  std::vector<BinaryEvaluator> labels_;
  std::unique_ptr<BinaryEvaluator> micro_;
};

/// \param weights  one per case, or empty for one each. \throws Error if lengths differ or a known
///                 case's prediction is not finite.
RegressionMetrics regression_metrics(const std::vector<double>& predictions,
                                     const std::vector<double>& targets,
                                     std::span<const double> weights = {});

}  // namespace salus::evaluate
