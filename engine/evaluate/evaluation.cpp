#include "engine/evaluate/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "engine/evaluate/estimate.h"
#include "engine/io/error.h"

namespace salus::evaluate {
namespace {

constexpr std::size_t kScatterPoints = 2000;
constexpr int kBandReplicates = 1000;  // a drawn band needs no more

using Rows = std::vector<std::size_t>;

Rows all_rows(const Predictions& p) {
  Rows rows(p.targets.size());
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  return rows;
}

void check_rows(const Predictions& p) {
  if (p.labels.empty() || p.targets.empty() || p.probabilities.size() != p.targets.size()) {
    throw Error(fmt::format(
        "An evaluation got {} labels, predictions of {} cases and targets of {}; there must be at "
        "least one label and one case, and a prediction for each.",
        p.labels.size(), p.probabilities.size(), p.targets.size()));
  }
  for (std::size_t i = 0; i < p.targets.size(); ++i) {
    if (p.probabilities[i].size() == p.labels.size() && p.targets[i].size() == p.labels.size()) {
      continue;
    }
    throw Error(fmt::format("Case {} has {} predictions and {} targets for {} labels.", i,
                            p.probabilities[i].size(), p.targets[i].size(), p.labels.size()));
  }
}

void check(const Predictions& p, const EvaluationOptions& options) {
  check_rows(p);
  if (p.task == TaskKind::kBinary && p.labels.size() != 1) {
    throw Error(fmt::format("A binary task has one label, but {} were given.", p.labels.size()));
  }
  if (!p.ids.empty() && p.ids.size() != p.targets.size()) {
    throw Error(fmt::format("There are {} ids for {} cases.", p.ids.size(), p.targets.size()));
  }
  for (const auto& [column, values] : p.subgroups) {
    if (values.size() == p.targets.size()) continue;
    throw Error(fmt::format("The subgroup column \"{}\" has {} values for {} cases.", column,
                            values.size(), p.targets.size()));
  }
  for (const OperatingPoint& point : options.operating_points) {
    if (std::find(p.labels.begin(), p.labels.end(), point.label) != p.labels.end()) continue;
    throw Error(fmt::format(
        "The operating point \"{}\" is of the label \"{}\", which the predictions do not have.",
        point.name, point.label));
  }
}

/// Operating points of a label; 0.5 where there are none.
std::vector<OperatingPoint> points_of(const EvaluationOptions& options, const std::string& label) {
  std::vector<OperatingPoint> points;
  for (const OperatingPoint& point : options.operating_points) {
    if (point.label == label) points.push_back(point);
  }
  if (points.empty()) points.push_back({"threshold=0.5", label, 0.5});
  return points;
}

/// Shares of one evaluation: what every part needs.
struct Job {
  const Predictions& p;
  const EvaluationOptions& options;
  std::vector<std::uint32_t> patient;

  double threshold(std::size_t label) const {
    return points_of(options, p.labels[label]).front().threshold;
  }
  bool is_most_probable(std::size_t row, std::size_t label) const {
    const auto& scores = p.probabilities[row];
    return std::max_element(scores.begin(), scores.end()) - scores.begin() ==
           static_cast<std::ptrdiff_t>(label);
  }
  Question question(const Rows& rows, std::size_t label) const {
    Question q = make_question(p, rows, patient, label, threshold(label));
    if (p.task != TaskKind::kMulticlass) return q;
    std::size_t k = 0;
    for (const std::size_t row : rows) {
      if (std::isnan(p.targets[row][label])) continue;
      q.decisions[k++] = is_most_probable(row, label);
    }
    return q;
  }
};

Confusion count(const Question& q) {
  Confusion c;
  for (std::size_t i = 0; i < q.targets.size(); ++i) {
    if (q.decisions[i]) {
      (q.targets[i] == 1 ? c.tp : c.fp) += 1;
    } else {
      (q.targets[i] == 1 ? c.fn : c.tn) += 1;
    }
  }
  return c;
}

void add_curves(const Question& q, const EvaluationOptions& options, LabelResult& result) {
  const BinaryCases cases = sort_cases(q.probabilities, q.targets);
  result.roc = roc_curve(cases);
  result.pr = pr_curve(cases);
  result.reliability = reliability(cases);
  result.histogram = score_histogram(cases);
  if (cases.size() == 0) return;
  ResamplingOptions resampling = options.resampling;
  resampling.replicates = std::min(resampling.replicates, kBandReplicates);
  result.roc_band = roc_band(cases, resampler(q), resampling, options.level);
}

LabelResult evaluate_question(const Job& job, std::size_t label) {
  const Rows rows = all_rows(job.p);
  Question q = job.question(rows, label);
  LabelResult result;
  result.label = job.p.labels[label];
  result.n = q.targets.size();
  result.positives = q.positives();
  result.masked = rows.size() - result.n;
  result.patients = q.patients();
  result.metrics = estimate_binary(q, job.options);
  result.confusion = count(q);
  if (job.options.curves) add_curves(q, job.options, result);
  if (job.p.task == TaskKind::kMulticlass) return result;
  for (const OperatingPoint& point : points_of(job.options, result.label)) {
    for (std::size_t i = 0; i < q.targets.size(); ++i) {
      q.decisions[i] = q.probabilities[i] >= point.threshold;
    }
    result.operating_points.push_back(
        {point, count(q), estimate_binary(q, job.options, kDecision)});
  }
  return result;
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

/// Plain mean over `labels` of each regression metric.
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

LabelResult evaluate_quantity(const Job& job, std::size_t label) {
  LabelResult result;
  result.label = job.p.labels[label];
  std::set<std::uint32_t> patients;
  Rows known;
  for (const std::size_t row : all_rows(job.p)) {
    if (std::isnan(job.p.targets[row][label])) continue;
    known.push_back(row);
    patients.insert(job.patient[row]);
  }
  result.n = known.size();
  result.masked = job.p.targets.size() - known.size();
  result.patients = patients.size();
  result.metrics = estimate_regression(job, known.empty() ? all_rows(job.p) : known, {label});
  const std::size_t step = known.size() / kScatterPoints + 1;
  for (std::size_t k = 0; job.options.curves && k < known.size(); k += step) {
    result.scatter.push_back(
        {job.p.targets[known[k]][label], job.p.probabilities[known[k]][label]});
  }
  return result;
}

SubgroupResult describe(const Job& job, const Rows& rows) {
  SubgroupResult group;
  group.n = rows.size();
  std::set<std::uint32_t> patients;
  for (const std::size_t row : rows) patients.insert(job.patient[row]);
  group.patients = patients.size();
  return group;
}

std::vector<SubgroupResult> evaluate_rows(const Job& job, const Rows& rows) {
  std::vector<SubgroupResult> results;
  if (job.p.task == TaskKind::kMulticlass) {
    results.push_back(describe(job, rows));
    results.back().metrics = overall_multiclass(job, rows);
    return results;
  }
  for (std::size_t l = 0; l < job.p.labels.size(); ++l) {
    SubgroupResult group = describe(job, rows);
    group.label = job.p.labels[l];
    if (job.p.task == TaskKind::kRegression) {
      group.metrics = estimate_regression(job, rows, {l});
    } else {
      const Question q = job.question(rows, l);
      group.n = q.targets.size();
      group.positives = q.positives();
      group.patients = q.patients();
      group.metrics = estimate_binary(q, job.options);
    }
    results.push_back(std::move(group));
  }
  return results;
}

void evaluate_subgroups(const Job& job, Evaluation& evaluation) {
  for (const auto& [column, values] : job.p.subgroups) {
    std::map<std::string, Rows> groups;
    for (std::size_t i = 0; i < values.size(); ++i) groups[values[i]].push_back(i);
    for (const auto& [value, rows] : groups) {
      if (value.empty() || rows.size() < job.options.smallest_subgroup) {
        evaluation.notes.push_back(fmt::format(
            "Of the subgroup column \"{}\", {} cases {} are not shown.", column, rows.size(),
            value.empty() ? "without a value"
                          : fmt::format("with the value \"{}\" (fewer than {})", value,
                                        job.options.smallest_subgroup)));
        continue;
      }
      for (SubgroupResult& group : evaluate_rows(job, rows)) {
        group.column = column;
        group.value = value;
        evaluation.subgroups.push_back(std::move(group));
      }
    }
  }
}

void evaluate_overall(const Job& job, Evaluation& evaluation) {
  const Rows rows = all_rows(job.p);
  switch (job.p.task) {
    case TaskKind::kBinary:
      evaluation.overall = evaluation.labels[0].metrics;
      break;
    case TaskKind::kMulticlass:
      evaluation.overall = overall_multiclass(job, rows);
      evaluation.confusion = MulticlassEvaluator(job.p.probabilities, job.p.targets).confusion();
      break;
    case TaskKind::kMultilabel:
      evaluation.overall = overall_multilabel(job, rows);
      break;
    case TaskKind::kRegression: {
      std::vector<std::size_t> labels(job.p.labels.size());
      std::iota(labels.begin(), labels.end(), std::size_t{0});
      evaluation.overall = estimate_regression(job, rows, labels);
      break;
    }
  }
}

}  // namespace

const Estimate* find(const std::vector<Estimate>& estimates, const std::string& name) {
  for (const Estimate& e : estimates) {
    if (e.name == name) return &e;
  }
  return nullptr;
}

Evaluation evaluate(const Predictions& predictions, const EvaluationOptions& options) {
  check(predictions, options);
  const Job job{predictions, options,
                patient_numbers(predictions.patients, predictions.targets.size())};
  Evaluation evaluation;
  evaluation.task = predictions.task;
  evaluation.n = predictions.targets.size();
  evaluation.patients = std::set<std::uint32_t>(job.patient.begin(), job.patient.end()).size();
  evaluation.level = options.level;
  evaluation.replicates = options.resampling.replicates;
  evaluation.seed = options.resampling.seed;
  for (std::size_t l = 0; l < predictions.labels.size(); ++l) {
    evaluation.labels.push_back(predictions.task == TaskKind::kRegression
                                    ? evaluate_quantity(job, l)
                                    : evaluate_question(job, l));
    const LabelResult& result = evaluation.labels.back();
    if (result.masked > 0) {
      evaluation.notes.push_back(fmt::format(
          "{} cases whose target \"{}\" is not known are left out.", result.masked, result.label));
    }
  }
  evaluate_overall(job, evaluation);
  evaluate_subgroups(job, evaluation);
  return evaluation;
}

}  // namespace salus::evaluate
