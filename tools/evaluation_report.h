#pragma once

#include <string>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/evaluate/compare.h"
#include "engine/infer/predict_cases.h"
#include "engine/infer/session.h"
#include "engine/infer/timing.h"
#include "engine/report/html_report.h"

namespace salus::tools {

/// All that one evaluation found.
struct EvaluationFindings {
  std::string bundle_path, data_path;
  infer::ScoredCases scored;
  std::size_t unreadable = 0;   ///< cases that are not among them
  evaluate::StepOptions steps;  ///< that the evaluation was made with
  evaluate::Evaluation evaluation;
  infer::Timing timing;
  std::string against_path;
  std::vector<evaluate::Comparison> comparisons;
};

/// The report's content; pictures of the worst cases are as the network sees them.
report::ReportData report_data(const EvaluationFindings& findings, const infer::Session& session,
                               const data::Dataset& dataset);

/// metrics.json: the evaluation, "unreadable" (cases that are not in it), "timing" and, with a second
/// bundle, "comparisons".
std::string metrics_json(const EvaluationFindings& findings);

/// id, one probability, decision and target per label; no patients.
std::string predictions_csv(const EvaluationFindings& findings, const infer::Session& session);

}  // namespace salus::tools
