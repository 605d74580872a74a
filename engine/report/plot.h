#pragma once

#include <string>
#include <vector>

#include "engine/evaluate/evaluation.h"
#include "engine/report/svg.h"

namespace salus::report {

/// Every function returns inline SVG for a page with plot_style(), or "" where there is nothing to
/// draw (a class absent, no cases).

/// ROC curve with its bootstrap band, chance line and operating points.
std::string roc_plot(const evaluate::LabelResult& label);

/// Precision over recall, with the prevalence line and operating points.
std::string pr_plot(const evaluate::LabelResult& label);

/// Observed over predicted share per bin with Wilson intervals; below, how many cases per bin.
std::string reliability_plot(const evaluate::LabelResult& label);

/// Scores by class, with the threshold of the first operating point.
std::string histogram_plot(const evaluate::LabelResult& label);

/// Counts [true][called] with their share of the true class.
std::string confusion_plot(const evaluate::Matrix& counts, const std::vector<std::string>& names);
/// The 2 x 2 table of a yes/no label.
std::string confusion_plot(const evaluate::LabelResult& label);

/// Prediction over target, with the line of agreement.
std::string scatter_plot(const evaluate::LabelResult& label);

struct Series {
  std::string name;
  std::vector<double> values;  ///< one per epoch; NaN where not measured
};
/// One line per series over epochs 1, 2, ...
std::string training_plot(const std::vector<Series>& series, const std::string& y_label);

struct ForestRow {
  std::string name;
  std::size_t n = 0;
  evaluate::Estimate estimate;
};
/// One row per subgroup or label: estimate and interval, against `reference` (the whole; NaN none).
std::string forest_plot(const std::vector<ForestRow>& rows, const std::string& metric,
                        double reference);

}  // namespace salus::report
