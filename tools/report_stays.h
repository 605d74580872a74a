#pragma once

#include <vector>

#include "engine/data/dataset.h"
#include "engine/infer/predict_cases.h"
#include "engine/infer/session.h"
#include "engine/report/stay_plot.h"

namespace salus::tools {

/// A few stays for a report, of the first label: of each of detected, missed and false alarm at its
/// default operating point the first two in the data. Empty for images and regressions. Of labels a
/// step the alarms are those that the evaluation counts, and a stay is detected if one is in time. The
/// risk of a model with one label a stay is that of the stay cut after each step.
///
/// \param steps  what the evaluation raised its alarms by.
std::vector<report::ReportStay> report_stays(const infer::ScoredCases& scored,
                                             const evaluate::StepOptions& steps,
                                             const infer::Session& session,
                                             const data::Dataset& dataset);

}  // namespace salus::tools
