#include "engine/evaluate/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>
#include <set>

#include "engine/evaluate/estimate.h"
#include "engine/evaluate/job.h"
#include "engine/io/error.h"

namespace salus::evaluate {
namespace {

constexpr std::size_t kScatterPoints = 2000;
constexpr int kBandReplicates = 1000;  // a drawn band needs no more

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
  if (const std::string problem = problem_of(options.steps.alarms); !problem.empty()) {
    throw Error("The evaluation cannot be made: " + problem);
  }
  for (const OperatingPoint& point : options.operating_points) {
    if (std::find(p.labels.begin(), p.labels.end(), point.label) != p.labels.end()) continue;
    throw Error(fmt::format(
        "The operating point \"{}\" is of the label \"{}\", which the predictions do not have.",
        point.name, point.label));
  }
}

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

/// Event 1 of the last operating point; the first one's, and Event 2, are metrics of the label.
void add_challenge2012(const Question& q, const EvaluationOptions& options, LabelResult& result) {
  OperatingResult& at = result.operating_points.back();
  const auto events = estimate_challenge2012(q, at.point.threshold, options);
  at.metrics.push_back(events[0]);
  if (result.operating_points.size() > 1) return;
  result.metrics.insert(result.metrics.end(), events.begin(), events.end());
}

LabelResult evaluate_question(const Job& job, std::size_t label) {
  const Rows rows = job.all_rows();
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
        {point, count(q), estimate_binary(q, job.options, kDecision), {}});
    if (job.options.challenge2012) add_challenge2012(q, job.options, result);
  }
  if (!job.p.hours.empty()) add_stays(job, label, result);
  return result;
}

/// Those rows whose target of the label is known.
Rows known_rows(const Job& job, const Rows& rows, std::size_t label) {
  Rows known;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(known),
               [&](std::size_t row) { return !std::isnan(job.p.targets[row][label]); });
  return known;
}

LabelResult evaluate_quantity(const Job& job, std::size_t label) {
  LabelResult result;
  result.label = job.p.labels[label];
  std::set<std::uint32_t> patients;
  const Rows known = known_rows(job, job.all_rows(), label);
  for (const std::size_t row : known) patients.insert(job.patient[row]);
  result.n = known.size();
  result.masked = job.p.targets.size() - known.size();
  result.patients = patients.size();
  result.metrics = estimate_regression(job, known.empty() ? job.all_rows() : known, {label});
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
    results.push_back(describe(job, known_rows(job, rows, 0)));
    results.back().metrics = overall_multiclass(job, rows);
    return results;
  }
  for (std::size_t l = 0; l < job.p.labels.size(); ++l) {
    SubgroupResult group = describe(job, known_rows(job, rows, l));
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
  const Rows rows = job.all_rows();
  switch (job.p.task) {
    case TaskKind::kBinary:
      evaluation.overall = evaluation.labels[0].metrics;
      break;
    case TaskKind::kMulticlass:
      evaluation.overall = overall_multiclass(job, rows);
      evaluation.confusion = MulticlassEvaluator(job.p.probabilities, job.p.targets).confusion();
      evaluation.notes.push_back(
          "What is said of a class is of it against all others (one-vs-rest); macro is the mean "
          "over the classes, micro counts all their cases together.");
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

bool has_shifted_ece(const std::vector<Estimate>& estimates) {
  return std::any_of(estimates.begin(), estimates.end(), [](const Estimate& e) {
    return e.name.rfind("ece", 0) == 0 && e.interval && e.interval->low > e.value;
  });
}

/// Says why the interval of an ECE may lie beside it (see percentile_interval).
void note_shifted_intervals(Evaluation& evaluation) {
  const auto of_part = [](const auto& part) { return has_shifted_ece(part.metrics); };
  const auto& labels = evaluation.labels;
  const auto& groups = evaluation.subgroups;
  if (!has_shifted_ece(evaluation.overall) && std::none_of(labels.begin(), labels.end(), of_part) &&
      std::none_of(groups.begin(), groups.end(), of_part)) {
    return;
  }
  evaluation.notes.push_back(
      "An interval of the expected calibration error (ECE) lies above its value: cases that are "
      "drawn again add noise to each bin, whose size counts and not its sign. Read the upper end "
      "alone, which is cautious.");
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
  evaluation.alarms = options.steps.alarms;
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
  note_shifted_intervals(evaluation);
  return evaluation;
}

}  // namespace salus::evaluate
