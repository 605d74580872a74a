#include "engine/evaluate/alarms.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/evaluate/estimate.h"

namespace salus::evaluate {
namespace {

constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();
constexpr double kDay = 24;

constexpr std::array<MetricField<AlarmMetrics>, 6> kFields{{
    {"alarms_per_stay_day", &AlarmMetrics::alarms_per_stay_day},
    {"stays_alarmed", &AlarmMetrics::stays_alarmed},
    {"alarmed_before_onset", &AlarmMetrics::alarmed_before_onset},
    {"lead_hours_q25", &AlarmMetrics::lead_hours_q25},
    {"lead_hours_median", &AlarmMetrics::lead_hours_median},
    {"lead_hours_q75", &AlarmMetrics::lead_hours_q75},
}};

double ratio(double numerator, double denominator) {
  return denominator > 0 ? numerator / denominator : kAbsent;
}

StayAlarms alarms_of(const Stays& stays, std::size_t stay, const AlarmRule& rule) {
  StayAlarms result;
  result.hours = stays.duration(stay);
  result.positive = stays.is_positive(stay);
  const auto of_stay = [&](const std::vector<double>& all) {
    return std::vector<double>(all.begin() + stays.offsets[stay],
                               all.begin() + stays.offsets[stay + 1]);
  };
  const std::vector<double> hours = of_stay(stays.hours), risk = of_stay(stays.probabilities);
  for (const std::size_t step : alarm_steps(hours, risk, rule)) {
    result.alarms.push_back(hours[step]);
    const double lead = stays.onset[stay] - hours[step];  // NaN without an onset
    if (std::isnan(result.lead) && lead > 0 && lead <= rule.times.longest_lead) result.lead = lead;
  }
  return result;
}

std::string absent_reason(const Stays& stays) {
  if (stays.size() == 0) return "no case has a known target";
  if (stays.positives() == 0) return "no stay has a positive step";
  return "no stay is alarmed before its onset";
}

}  // namespace

std::vector<StayAlarms> stay_alarms(const Stays& stays, const AlarmRule& rule) {
  std::vector<StayAlarms> all;
  all.reserve(stays.size());
  for (std::size_t s = 0; s < stays.size(); ++s) all.push_back(alarms_of(stays, s, rule));
  return all;
}

std::span<const MetricField<AlarmMetrics>> alarm_metric_fields() { return kFields; }

AlarmMetrics alarm_metrics(std::span<const StayAlarms> stays, std::span<const double> weights) {
  double n = 0, hours = 0, alarms = 0, alarmed = 0, positives = 0;
  std::vector<double> leads;
  for (std::size_t s = 0; s < stays.size(); ++s) {
    const StayAlarms& stay = stays[s];
    n += weights[s];
    hours += weights[s] * stay.hours;
    alarms += weights[s] * static_cast<double>(stay.alarms.size());
    alarmed += stay.alarms.empty() ? 0 : weights[s];
    positives += stay.positive ? weights[s] : 0;
    if (!std::isnan(stay.lead)) {
      leads.insert(leads.end(), static_cast<std::size_t>(weights[s]), stay.lead);
    }
  }
  std::sort(leads.begin(), leads.end());
  const auto lead = [&](double q) { return leads.empty() ? kAbsent : quantile(leads, q); };
  return {ratio(alarms, hours / kDay),
          ratio(alarmed, n),
          ratio(static_cast<double>(leads.size()), positives),
          lead(0.25),
          lead(0.5),
          lead(0.75)};
}

std::vector<Estimate> estimate_alarms(const Stays& stays, const AlarmRule& rule,
                                      const EvaluationOptions& options) {
  std::vector<Estimate> estimates;
  if (stays.size() == 0) {
    for (const auto& field : kFields) estimates.push_back({field.name, kAbsent, std::nullopt, ""});
  } else {
    const auto each = stay_alarms(stays, rule);
    estimates = estimate_fields<AlarmMetrics>(
        kFields, stays.resampler(),
        [&](std::span<const double> w) { return alarm_metrics(each, w); }, options, "");
  }
  for (Estimate& e : estimates) {
    if (std::isnan(e.value)) e.absent_because = absent_reason(stays);
  }
  return estimates;
}

}  // namespace salus::evaluate
