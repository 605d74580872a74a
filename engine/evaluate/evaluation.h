#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/task.h"
#include "engine/evaluate/alarm_rule.h"
#include "engine/evaluate/bootstrap.h"
#include "engine/evaluate/curves.h"
#include "engine/evaluate/intervals.h"
#include "engine/evaluate/label_metrics.h"

namespace salus::evaluate {

/// What a model said of N cases, and what is true of them.
struct Predictions {
  TaskKind task = TaskKind::kBinary;
  std::vector<std::string> labels;  ///< L, as in salus::Task
  Matrix probabilities;             ///< [N][L] calibrated; regression: values
  Matrix targets;                   ///< [N][L] 0/1, one-hot or value; NaN = not known, left out
  std::vector<std::string> ids;     ///< N or empty; as the caller named the cases
  std::vector<double> hours;  ///< N or empty; labels a step: hours since the stay began, rows of a
                              ///< stay (same id) are consecutive and ascending
  /// N or empty; labels a step: hour of the onset in the row's stay, NaN where there is none. Empty:
  /// it follows the first positive step (StepOptions::label_lead).
  std::vector<double> onsets;
  std::vector<std::string> patients;  ///< N or empty (each its own); used for resampling only
  std::map<std::string, std::vector<std::string>> subgroups;  ///< column -> N values; "" = unknown
};

/// "Positive if p >= threshold" for one label.
struct OperatingPoint {
  std::string name;
  std::string label;
  double threshold = 0.5;
};

/// What is evaluated of labels a step, beside what is of any other rows.
struct StepOptions {
  /// Hours from a label's first positive step to the onset, where Predictions::onsets does not say it:
  /// 6 for the labels of the PhysioNet Challenge 2019, which are early by so much.
  double label_lead = 6;
  AlarmTimes alarms;
};

struct EvaluationOptions {
  /// The first one of a label is what its accuracy, F1, ... are taken at; without any it is 0.5.
  /// Multiclass labels are always decided by the most probable class.
  std::vector<OperatingPoint> operating_points;
  double level = 0.95;
  ResamplingOptions resampling;        ///< replicates 0: analytic intervals only, in no time
  bool delong = false;                 ///< AUROC by DeLong where each patient has one case
  std::size_t smallest_subgroup = 10;  ///< smaller ones are left out and named
  bool curves = true;                  ///< ROC band, reliability and so on for plots
  bool challenge2012 = false;          ///< Event 1 and Event 2 (challenge2012.h) of each label
  StepOptions steps;                   ///< read where Predictions::hours is not empty
};

/// One figure. Value and interval, or the reason why there is none.
struct Estimate {
  std::string name;                  ///< as the *_metric_fields() spell it
  double value = 0;                  ///< NaN = absent
  std::optional<Interval> interval;  ///< absent where it would claim certainty or cannot be had
  std::string absent_because;        ///< clause; "" if there is a value
};
/// nullptr if there is none of that name.
const Estimate* find(const std::vector<Estimate>& estimates, const std::string& name);

struct OperatingResult {
  OperatingPoint point;
  Confusion confusion;
  std::vector<Estimate> metrics;  ///< accuracy ... npv at this threshold
  std::vector<Estimate> stays;    ///< labels a step: utility, then AlarmMetrics
};

/// One label alone; of a multiclass task one class against the rest.
struct LabelResult {
  std::string label;
  std::size_t n = 0, positives = 0, masked = 0, patients = 0;
  std::size_t stays = 0, positive_stays = 0;  ///< labels a step; else 0
  std::vector<Estimate> metrics;
  std::vector<OperatingResult> operating_points;
  Confusion confusion;  ///< at the first operating point
  std::vector<RocPoint> roc;
  RocBand roc_band;
  std::vector<PrPoint> pr;
  std::vector<ReliabilityBin> reliability;
  ScoreHistogram histogram;
  std::vector<std::array<double, 2>> scatter;  ///< regression: target, prediction
};

/// Cases with one value in a subgroup column; per label, or all labels together (label "").
struct SubgroupResult {
  std::string column, value, label;
  std::size_t n = 0, positives = 0, patients = 0;  ///< positives: 0 where label is ""
  std::vector<Estimate> metrics;
};

struct Evaluation {
  TaskKind task = TaskKind::kBinary;
  std::size_t n = 0, patients = 0;
  double level = 0.95;
  int replicates = 0;
  std::uint64_t seed = 0;
  /// Binary: the label's own. Multiclass, multilabel: MulticlassMetrics, MultilabelMetrics.
  /// Regression: plain mean over the quantities.
  std::vector<Estimate> overall;
  std::vector<LabelResult> labels;
  std::vector<SubgroupResult> subgroups;
  AlarmTimes alarms;               ///< labels a step: what their alarms were raised by
  Matrix confusion;                ///< multiclass: [true][called]; else empty
  std::vector<std::string> notes;  ///< whole sentences: what was left out, and why
};

/// 95 % intervals: patient bootstrap within outcome strata; Wilson for proportions where each
/// patient has one case, or where the estimate is 0 or 1; Newcombe for an AUROC of 0 or 1.
/// \throws Error naming the case for malformed predictions, an unknown label of an operating point,
///         or when there are no cases.
Evaluation evaluate(const Predictions& predictions, const EvaluationOptions& options = {});

/// Worst first: the largest log loss of the true outcome (regression: the largest error).
struct WorstCase {
  std::size_t index = 0;  ///< row of the predictions
  std::string id;
  double score = 0, target = 0, loss = 0;
};
std::vector<WorstCase> worst_cases(const Predictions& predictions, std::size_t label,
                                   std::size_t count);

/// {"task", "n", "patients", "interval": {level, replicates, seed}, "overall": {METRIC: {"value",
/// "low", "high", "method"} or {"value": null, "reason"}}, "labels": [{"label", "n", "positives",
/// "prevalence", "masked", "metrics", "operating_points", "confusion", "roc", "pr",
/// "reliability"}], "subgroups": [...], "confusion", "notes"}. Labels a step also have "stays" and
/// "positive_stays", their operating points "stays", and the whole "alarms": {"refractory_hours",
/// "longest_lead_hours" (null: any)}. Curves are thinned to 200 points. Holds no patient and no case
/// id.
std::string to_json(const Evaluation& evaluation);

/// A table for the terminal, with a final newline.
std::string to_text(const Evaluation& evaluation);

}  // namespace salus::evaluate
