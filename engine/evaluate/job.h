#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/evaluate/estimate.h"
#include "engine/evaluate/evaluation.h"

namespace salus::evaluate {

using Rows = std::vector<std::size_t>;  ///< positions of cases in Predictions

/// Operating points of a label; 0.5 where there are none.
std::vector<OperatingPoint> points_of(const EvaluationOptions& options, const std::string& label);

/// What every part of one evaluation needs.
struct Job {
  const Predictions& p;
  const EvaluationOptions& options;
  std::vector<std::uint32_t> patient;  ///< number of each case's patient

  Rows all_rows() const;
  double threshold(std::size_t label) const;
  /// The known cases of `rows`, decided by threshold, or in a multiclass task by the top class.
  Question question(const Rows& rows, std::size_t label) const;
};

/// Event 1 of the PhysioNet Challenge 2012 at `threshold` and Event 2, with intervals.
std::vector<Estimate> estimate_challenge2012(const Question& question, double threshold,
                                             const EvaluationOptions& options);
/// Adds what labels a step have beside the metrics of their rows: the number of stays, and utility
/// and alarms at each operating point. The first one's utility is a metric of the label too.
void add_stays(const Job& job, std::size_t label, LabelResult& result);
/// MulticlassMetrics of the cases at `rows`, with intervals.
std::vector<Estimate> overall_multiclass(const Job& job, const Rows& rows);
/// MultilabelMetrics, likewise.
std::vector<Estimate> overall_multilabel(const Job& job, const Rows& rows);
/// Plain mean over `labels` of each regression metric.
std::vector<Estimate> estimate_regression(const Job& job, const Rows& rows,
                                          const std::vector<std::size_t>& labels);

}  // namespace salus::evaluate
