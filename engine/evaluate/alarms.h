#pragma once

#include <limits>
#include <span>
#include <string>
#include <vector>

#include "engine/evaluate/metrics.h"
#include "engine/evaluate/stays.h"

namespace salus::evaluate {

/// When an alarm is raised, and when it is in time.
struct AlarmRule {
  double threshold = 0.5;
  /// Hours after an alarm during which the stay raises no other. 0: every step that is called
  /// positive is an alarm of its own.
  double refractory = 0;
  /// Hours before the onset from which on an alarm is said to be of it; an earlier one is a false
  /// alarm.
  double longest_lead = std::numeric_limits<double>::infinity();
};

/// Alarms of one stay.
struct StayAlarms {
  double alarms = 0;  ///< how many
  double hours = 0;   ///< Stays::duration()
  bool positive = false;
  /// Hours from the first alarm in time (before the onset and at most `longest_lead` hours before)
  /// to the onset; NaN if there is none.
  double lead = std::numeric_limits<double>::quiet_NaN();
};

/// A step raises an alarm where its probability is at least the threshold and the last alarm of the
/// stay is `refractory` hours or more ago. [S]
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
