#pragma once

#include <limits>
#include <span>
#include <vector>

#include "engine/evaluate/alarm_rule.h"
#include "engine/evaluate/metrics.h"
#include "engine/evaluate/stays.h"

namespace salus::evaluate {

/// Alarms of one stay.
struct StayAlarms {
  std::vector<double> alarms;  ///< hours at which they are raised, since the stay began
  double hours = 0;            ///< Stays::duration()
  bool positive = false;
  /// Hours from the first alarm in time (before the onset and at most `longest_lead` hours before)
  /// to the onset; NaN if there is none.
  double lead = std::numeric_limits<double>::quiet_NaN();
};

/// Alarms of each stay as alarm_steps() raises them. [S]
std::vector<StayAlarms> stay_alarms(const Stays& stays, const AlarmRule& rule);

/// The burden of alarms and what it buys. NaN = absent.
struct AlarmMetrics {
  double alarms_per_stay_day;   ///< alarms of all stays / days of all stays
  double stays_alarmed;         ///< share of stays with an alarm
  double alarmed_before_onset;  ///< of the stays with an onset, the share with an alarm in time
  double lead_hours_q25, lead_hours_median, lead_hours_q75;  ///< of those alarmed in time
};
std::span<const MetricField<AlarmMetrics>> alarm_metric_fields();

/// \param weights  whole numbers, one per stay: a stay counts so often.
AlarmMetrics alarm_metrics(std::span<const StayAlarms> stays, std::span<const double> weights);

/// Each field, with a percentile interval by a bootstrap of patients.
std::vector<Estimate> estimate_alarms(const Stays& stays, const AlarmRule& rule,
                                      const EvaluationOptions& options);

}  // namespace salus::evaluate
