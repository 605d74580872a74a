#include "engine/evaluate/job.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace salus::evaluate {
namespace {

bool is_most_probable(const std::vector<double>& scores, std::size_t label) {
  return std::max_element(scores.begin(), scores.end()) - scores.begin() ==
         static_cast<std::ptrdiff_t>(label);
}

/// The rows of `rows`, as a smaller Predictions without ids and subgroups.
Predictions select(const Predictions& p, const Rows& rows) {
  Predictions part;
  part.task = p.task;
  part.labels = p.labels;
  for (const std::size_t row : rows) {
    part.probabilities.push_back(p.probabilities[row]);
    part.targets.push_back(p.targets[row]);
  }
  return part;
}

std::vector<std::uint32_t> select(const std::vector<std::uint32_t>& values, const Rows& rows) {
  std::vector<std::uint32_t> part;
  for (const std::size_t row : rows) part.push_back(values[row]);
  return part;
}

/// Multilabel strata: each case by the rarest finding it has, so that no resample loses one.
std::vector<int> rarest_finding(const Matrix& targets) {
  const std::size_t labels = targets[0].size();
  std::vector<std::size_t> count(labels, 0), order(labels);
  for (const auto& row : targets) {
    for (std::size_t l = 0; l < labels; ++l) count[l] += row[l] == 1;
  }
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return count[a] > count[b]; });
  std::vector<int> strata;
  for (const auto& row : targets) {
    int stratum = 0;
    for (std::size_t k = 0; k < labels; ++k) {
      if (row[order[k]] == 1) stratum = static_cast<int>(k) + 1;
    }
    strata.push_back(stratum);
  }
  return strata;
}

}  // namespace

/// Operating points of a label; 0.5 where there are none.
std::vector<OperatingPoint> points_of(const EvaluationOptions& options, const std::string& label) {
  std::vector<OperatingPoint> points;
  for (const OperatingPoint& point : options.operating_points) {
    if (point.label == label) points.push_back(point);
  }
  if (points.empty()) points.push_back({"threshold=0.5", label, 0.5});
  return points;
}

Rows Job::all_rows() const {
  Rows rows(p.targets.size());
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  return rows;
}

double Job::threshold(std::size_t label) const {
  return points_of(options, p.labels[label]).front().threshold;
}

Question Job::question(const Rows& rows, std::size_t label) const {
  Question q = make_question(p, rows, patient, label, threshold(label));
  if (p.task != TaskKind::kMulticlass) return q;
  std::size_t k = 0;
  for (const std::size_t row : rows) {
    if (std::isnan(p.targets[row][label])) continue;
    q.decisions[k++] = is_most_probable(p.probabilities[row], label);
  }
  return q;
}

std::vector<Estimate> overall_multiclass(const Job& job, const Rows& rows) {
  const Predictions part = select(job.p, rows);
  const MulticlassEvaluator evaluator(part.probabilities, part.targets);
  std::vector<int> strata;
  for (const int c : evaluator.classes()) strata.push_back(c + 1);
  return estimate_fields<MulticlassMetrics>(
      multiclass_metric_fields(), {select(job.patient, rows), strata},
      [&](std::span<const double> w) { return evaluator(w); }, job.options,
      "a class has no case, or all cases");
}

std::vector<Estimate> overall_multilabel(const Job& job, const Rows& rows) {
  const Predictions part = select(job.p, rows);
  std::vector<double> thresholds;
  for (std::size_t l = 0; l < job.p.labels.size(); ++l) thresholds.push_back(job.threshold(l));
  const MultilabelEvaluator evaluator(part.probabilities, part.targets, thresholds);
  return estimate_fields<MultilabelMetrics>(
      multilabel_metric_fields(), {select(job.patient, rows), rarest_finding(part.targets)},
      [&](std::span<const double> w) { return evaluator(w); }, job.options,
      "a label has no positive or no negative case");
}

std::vector<Estimate> estimate_regression(const Job& job, const Rows& rows,
                                          const std::vector<std::size_t>& labels) {
  const Predictions part = select(job.p, rows);
  std::vector<std::vector<double>> predictions, targets;
  for (const std::size_t l : labels) {
    predictions.push_back(column(part.probabilities, l));
    targets.push_back(column(part.targets, l));
  }
  const auto mean = [&](std::span<const double> w) {
    RegressionMetrics sum{0, 0, 0, 0};
    for (std::size_t l = 0; l < labels.size(); ++l) {
      const RegressionMetrics m = regression_metrics(predictions[l], targets[l], w);
      for (const auto& field : regression_metric_fields()) {
        sum.*field.value += m.*field.value / static_cast<double>(labels.size());
      }
    }
    return sum;
  };
  return estimate_fields<RegressionMetrics>(
      regression_metric_fields(), {select(job.patient, rows), std::vector<int>(rows.size(), 0)},
      mean, job.options, "no target is known, or all are equal");
}

}  // namespace salus::evaluate
