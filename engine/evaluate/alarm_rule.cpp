#include "engine/evaluate/alarm_rule.h"

#include <fmt/format.h>

#include <cmath>

namespace salus::evaluate {
namespace {

constexpr double kRounding = 1e-6;  // hours: steps of 0.1 h are not exact in binary

}  // namespace

std::string to_text(const AlarmTimes& times) {
  const std::string lead = std::isinf(times.longest_lead)
                               ? "a lead of any length"
                               : fmt::format("a lead of at most {:g} h", times.longest_lead);
  return fmt::format("a refractory time of {:g} h, {}", times.refractory, lead);
}

std::string problem_of(const AlarmTimes& times) {
  if (!(times.refractory >= 0) || std::isinf(times.refractory)) {
    return fmt::format("the refractory time of alarms must be 0 hours or more, and it is {}.",
                       times.refractory);
  }
  if (!(times.longest_lead > 0)) {
    return fmt::format("the longest lead of alarms must be above 0 hours, and it is {}.",
                       times.longest_lead);
  }
  return "";
}

bool raise_alarm(double hour, double refractory, double& last) {
  if (hour - last < refractory - kRounding) return false;
  last = hour;
  return true;
}

std::vector<std::size_t> alarm_steps(const std::vector<double>& hours,
                                     const std::vector<double>& probabilities,
                                     const AlarmRule& rule) {
  std::vector<std::size_t> steps;
  double last = -std::numeric_limits<double>::infinity();
  for (std::size_t t = 0; t < hours.size(); ++t) {
    if (!(probabilities[t] >= rule.threshold)) continue;
    if (raise_alarm(hours[t], rule.times.refractory, last)) steps.push_back(t);
  }
  return steps;
}

}  // namespace salus::evaluate
