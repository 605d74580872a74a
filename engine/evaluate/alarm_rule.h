#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

namespace salus::evaluate {

/// The hours that alarms are raised and judged by.
struct AlarmTimes {
  /// After an alarm the stay raises no other for so long. 0: every step at or above the threshold
  /// is an alarm of its own.
  double refractory = 0;
  /// Before the onset: an alarm is said to be of it from then on; an earlier one is a false alarm.
  double longest_lead = std::numeric_limits<double>::infinity();

  bool operator==(const AlarmTimes& other) const {
    return refractory == other.refractory && longest_lead == other.longest_lead;
  }
};

/// "a refractory time of 6 h, a lead of at most 48 h"
std::string to_text(const AlarmTimes& times);

/// What is wrong with the times, as a sentence; "" for a finite refractory time of 0 or more and a
/// longest lead above 0.
std::string problem_of(const AlarmTimes& times);

/// When an alarm is raised, and when it is in time.
struct AlarmRule {
  double threshold = 0.5;
  AlarmTimes times;
};

/// Whether a step at or above the threshold raises an alarm: unless the last one of the stay is less
/// than `refractory` hours before. That is the one definition, of tables, pictures and streams.
///
/// \param hour  of the step, since the stay began.
/// \param last  hour of the stay's last alarm, negative infinity without one; `hour` if one is raised.
bool raise_alarm(double hour, double refractory, double& last);

/// Positions of the steps of one stay that raise an alarm. NaN is below any threshold.
///
/// \param hours          [T] since the stay began, rising.
/// \param probabilities  [T]
std::vector<std::size_t> alarm_steps(const std::vector<double>& hours,
                                     const std::vector<double>& probabilities,
                                     const AlarmRule& rule);

}  // namespace salus::evaluate
