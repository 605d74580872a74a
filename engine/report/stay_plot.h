#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "engine/report/svg.h"

namespace salus::report {

/// A stay of vital signs as the report shows it. Times are hours since the stay began.
struct ReportStay {
  std::string id;  ///< as the caller named it
  std::string label;
  std::string kind;                 ///< what it is an example of: "missed", "false alarm", ...
  Points risk;                      ///< hour, probability
  double threshold = std::nan("");  ///< of the operating point; NaN = none
  std::vector<double> alarms;       ///< hours at which one is raised (evaluate::alarm_steps)
  double onset = std::nan("");      ///< hour; NaN = none
  struct Variable {
    std::string name;
    Points observed;  ///< hour, standard deviations from the mean of the training part
  };
  std::vector<Variable> variables;  ///< at most four
};

/// Risk over time with threshold, alarms and onset; "" without a risk.
std::string risk_plot(const ReportStay& stay);

/// What was observed, in standard deviations; "" without variables.
std::string observed_plot(const ReportStay& stay);

}  // namespace salus::report
