#include "engine/report/stay_plot.h"

#include <algorithm>
#include <array>

namespace salus::report {
namespace {

constexpr double kWidth = 440, kRiskHeight = 240, kObservedHeight = 220;
constexpr std::array<const char*, 4> kStyles = {"s1", "s2", "s3", "s4"};

Axis hours_of(const ReportStay& stay) {
  const double last = std::max(1.0, stay.risk.empty() ? 1.0 : stay.risk.back()[0] + 1);
  return {"Hours since the stay began", 0, last, nice_ticks(0, last)};
}

void mark_onset(const ReportStay& stay, double low, double high, Chart& chart) {
  if (std::isnan(stay.onset)) return;
  chart.segment(stay.onset, low, stay.onset, high, "s2 dashed");
  const bool late = stay.onset > 0.6 * hours_of(stay).high;  // no room to its right
  chart.note(stay.onset, high, late ? -4 : 4, 12, "first positive", late ? "end" : "start");
}

}  // namespace

std::string risk_plot(const ReportStay& stay) {
  if (stay.risk.empty()) return "";
  double high = std::isnan(stay.threshold) ? 0 : stay.threshold;
  for (const auto& point : stay.risk) high = std::max(high, point[1]);
  high = std::min(1.0, high * 1.25 + 1e-3);
  Chart chart(kWidth, kRiskHeight, hours_of(stay), {"Risk", 0, high, nice_ticks(0, high, 4)},
              "Risk of " + stay.label + " over time of " + stay.id);
  if (!std::isnan(stay.threshold)) {
    chart.segment(0, stay.threshold, stay.risk.back()[0] + 1, stay.threshold, "faint dashed");
    chart.note(0, stay.threshold, 4, -4, "threshold");
  }
  mark_onset(stay, 0, high, chart);
  chart.line(stay.risk, "s1");
  for (const double hour : stay.alarms) {
    const auto at = std::find_if(stay.risk.begin(), stay.risk.end(),
                                 [hour](const auto& point) { return point[0] == hour; });
    if (at != stay.risk.end()) chart.dot(hour, (*at)[1], 4.5, "s3");
  }
  chart.legend({{"s1", "risk"}, {"s3", "alarm"}});
  return chart.svg();
}

std::string observed_plot(const ReportStay& stay) {
  if (stay.variables.empty()) return "";
  double low = -2, high = 2;
  for (const auto& variable : stay.variables) {
    for (const auto& point : variable.observed) {
      low = std::min(low, point[1]);
      high = std::max(high, point[1]);
    }
  }
  Chart chart(kWidth, kObservedHeight, hours_of(stay),
              {"Standard deviations", low, high, nice_ticks(low, high, 4)},
              "Observations of " + stay.id);
  mark_onset(stay, low, high, chart);
  std::vector<std::array<std::string, 2>> legend;
  for (std::size_t i = 0; i < std::min(stay.variables.size(), kStyles.size()); ++i) {
    chart.line(stay.variables[i].observed, kStyles[i]);
    legend.push_back({kStyles[i], stay.variables[i].name});
  }
  chart.legend(legend);
  return chart.svg();
}

}  // namespace salus::report
