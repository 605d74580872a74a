#pragma once

#include <vector>

#include "engine/data/dataset.h"
#include "engine/infer/predict_cases.h"
#include "engine/infer/session.h"
#include "engine/report/stay_plot.h"

namespace salus::tools {

/// A few stays for a report, of the first label: of each of detected, missed and false alarm at its
/// default operating point the first two in the data. Empty for images and regressions. The risk of a
/// model with one label a stay is that of the stay cut after each step.
std::vector<report::ReportStay> report_stays(const infer::ScoredCases& scored,
                                             const infer::Session& session,
                                             const data::Dataset& dataset);

}  // namespace salus::tools
