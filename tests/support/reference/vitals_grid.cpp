#include "tests/support/reference/vitals_grid.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace salus::reference {
namespace {

using kernels::Aggregate;
using kernels::GridFill;
using kernels::GridTransform;
using kernels::GridVariable;

/// Bin of a time, or nothing if it is NaN or before the stay.
std::optional<double> bin_of(double hours, const kernels::VitalsGridSpec& spec) {
  const double seconds = std::round(hours * 3600);
  if (!(seconds >= 0)) return std::nullopt;
  return std::floor(seconds / std::round(spec.step * 3600));
}

bool is_plausible(const GridVariable& variable, double value) {
  if (!std::isfinite(value)) return false;
  if (variable.transform == GridTransform::kLog && value < std::ldexp(1.0, -126)) return false;
  if (variable.transform == GridTransform::kLog1p && value < 0) return false;
  return value >= variable.low && value <= variable.high;
}

double transformed(const GridVariable& variable, double value) {
  if (variable.transform == GridTransform::kLog) value = std::log(value);
  if (variable.transform == GridTransform::kLog1p) value = std::log1p(value);
  return (value - variable.mean) / variable.stddev;
}

double aggregated(Aggregate aggregate, const std::vector<VitalsEvent>& events) {
  double sum = 0;
  VitalsEvent last = events.front(), least = last, most = last;
  for (const VitalsEvent& event : events) {
    sum += event.value;
    if (event.hours >= last.hours) last = event;
    if (event.value < least.value) least = event;
    if (event.value > most.value) most = event;
  }
  switch (aggregate) {
    case Aggregate::kLast:
      return last.value;
    case Aggregate::kMean:
      return sum / static_cast<double>(events.size());
    case Aggregate::kMin:
      return least.value;
    case Aggregate::kMax:
      return most.value;
    case Aggregate::kSum:
      return sum;
    case Aggregate::kCount:
      return static_cast<double>(events.size());
  }
  return 0;
}

double filled(const GridVariable& variable) {
  if (variable.fill == GridFill::kMean) return 0;
  if (variable.fill == GridFill::kZero) return transformed(variable, 0);
  return std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

VitalsStay vitals_grid(const std::vector<VitalsEvent>& events, const kernels::VitalsGridSpec& spec,
                       std::int64_t given_length) {
  const std::int64_t steps = spec.steps;
  const auto variables = static_cast<std::int64_t>(spec.variables.size());
  VitalsStay stay;
  double bins = 0;
  for (const VitalsEvent& event : events)
    bins = std::max(bins, bin_of(event.hours, spec).value_or(-1) + 1);
  if (given_length >= 0) bins = static_cast<double>(given_length);
  stay.length = static_cast<std::int64_t>(std::min(bins, static_cast<double>(steps)));
  stay.values.assign(steps * variables, 0);
  stay.mask = stay.delta = stay.values;
  stay.counts.assign(variables * 3, 0);
  const double step = std::round(spec.step * 3600) / 3600;
  for (std::int64_t d = 0; d < variables; ++d) {
    const GridVariable& variable = spec.variables[d];
    std::vector<std::vector<VitalsEvent>> at(stay.length);
    for (const VitalsEvent& event : events) {
      if (event.variable != d) continue;
      const double bin = bin_of(event.hours, spec).value_or(-1);
      const bool inside = bin >= 0 && bin < static_cast<double>(stay.length);
      const bool plausible = is_plausible(variable, event.value);
      ++stay.counts[3 * d + (!plausible ? 1 : !inside ? 2 : 0)];
      if (plausible && inside) at[static_cast<std::size_t>(bin)].push_back(event);
    }
    for (std::int64_t t = 0; t < stay.length; ++t) {
      const std::int64_t here = t * variables + d;
      stay.mask[here] = at[t].empty() ? 0 : 1;
      if (t > 0) {
        const std::int64_t before = here - variables;
        stay.delta[here] = step + (1 - stay.mask[before]) * stay.delta[before];
      }
      stay.values[here] = filled(variable);
      for (std::int64_t s = t; s >= 0; --s) {
        if (at[s].empty()) continue;
        if (s == t || static_cast<double>(t - s) * step <= variable.max_gap + 1e-9) {
          stay.values[here] = transformed(variable, aggregated(variable.aggregate, at[s]));
        }
        break;
      }
    }
  }
  return stay;
}

}  // namespace salus::reference
