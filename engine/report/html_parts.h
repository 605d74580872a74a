#pragma once

#include <string>

#include "engine/report/html_report.h"

namespace salus::report {

/// The sections of the report, each with its heading; "" where there is nothing to show.
std::string header_section(const ReportData& data);
std::string headline_section(const evaluate::Evaluation& evaluation);
std::string plot_section(const ReportData& data);
std::string operating_section(const evaluate::Evaluation& evaluation);
std::string stays_section(const evaluate::Evaluation& evaluation);
std::string label_section(const evaluate::Evaluation& evaluation);
std::string subgroup_section(const evaluate::Evaluation& evaluation);
std::string comparison_section(const ReportData& data);
std::string worst_section(const ReportData& data);
std::string example_stays_section(const ReportData& data);
std::string metrics_section(const evaluate::Evaluation& evaluation);
std::string facts_section(const std::string& heading, const Facts& facts);
std::string limits_section(const ReportData& data);

/// "auroc" -> "AUROC", "calibration_slope" -> "Calibration slope".
std::string display_name(const std::string& metric);

}  // namespace salus::report
