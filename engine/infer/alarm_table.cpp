#include "engine/infer/alarm_table.h"

#include <fmt/format.h>

#include <cmath>

namespace salus::infer {

evaluate::AlarmTimes read_alarms(const Config& table) {
  evaluate::AlarmTimes times;
  times.refractory = table.get_double("refractory", times.refractory);
  times.longest_lead = table.get_double("longest_lead", times.longest_lead);
  return times;
}

std::string write_alarms(const evaluate::AlarmTimes& times) {
  if (times == evaluate::AlarmTimes{}) return "";
  std::string out = fmt::format("\n# Hours.\n[alarms]\nrefractory = {}\n", times.refractory);
  if (std::isfinite(times.longest_lead)) {
    out += fmt::format("longest_lead = {}\n", times.longest_lead);
  }
  return out;
}

}  // namespace salus::infer
