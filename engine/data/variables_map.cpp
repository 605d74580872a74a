// A table as read -> the variables and units of a model.
#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>

#include "engine/data/variables.h"
#include "engine/io/error.h"

namespace salus::data {
namespace {

/// Where a variable of the source goes.
struct Route {
  std::int32_t number = -1;
  UnitConversion conversion;
};

bool same_name(const std::string& a, const std::string& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

/// Column of a static in the source, or -1.
std::ptrdiff_t find_static(const io::VitalsTable& table, const Static& fixed) {
  const auto found =
      std::find_if(table.static_names.begin(), table.static_names.end(), [&](const auto& name) {
        return same_name(name, fixed.name) ||
               std::any_of(fixed.aliases.begin(), fixed.aliases.end(),
                           [&](const auto& alias) { return same_name(name, alias); });
      });
  return found == table.static_names.end() ? -1 : found - table.static_names.begin();
}

/// A sentence that says where the source's variable `v` stands first; "" if it has no events.
std::string first_event(const io::VitalsTable& table, std::size_t v) {
  const auto found =
      std::find(table.variable.begin(), table.variable.end(), static_cast<std::int32_t>(v));
  if (found == table.variable.end()) return "";
  const auto event = found - table.variable.begin();
  const auto after = std::upper_bound(table.offsets.begin(), table.offsets.end(), event);
  return fmt::format(" The first such value is of the stay \"{}\" at hour {:.6g}.",
                     table.ids[static_cast<std::size_t>(after - table.offsets.begin() - 1)],
                     table.time[static_cast<std::size_t>(event)]);
}

/// \throws Error as conversion_of(), with the place.
UnitConversion conversion_from(const io::VitalsTable& table, std::size_t v,
                               const Variable& variable) {
  try {
    return conversion_of(variable, table.variables[v].unit);
  } catch (const Error& error) {
    throw Error(error.what() + first_event(table, v));
  }
}

}  // namespace

MapCounts VariableTable::map(io::VitalsTable& table, bool refuse_unknown) const {
  MapCounts counts;
  map_events(table, refuse_unknown, counts);
  map_statics(table, counts);
  return counts;
}

void VariableTable::map_events(io::VitalsTable& table, bool refuse_unknown,
                               MapCounts& counts) const {
  std::vector<Route> routes(table.variables.size());
  for (std::size_t v = 0; v < routes.size(); ++v) {
    const io::VitalsVariable& source = table.variables[v];
    routes[v].number = find(source.name);
    if (routes[v].number >= 0) {
      const Variable& variable = variables_[static_cast<std::size_t>(routes[v].number)];
      routes[v].conversion = conversion_from(table, v, variable);
    } else if (refuse_unknown) {
      std::vector<std::string> known;
      for (const auto& [name, number] : numbers_) known.push_back(name);
      const std::string near = nearest(source.name, known);
      throw Error(fmt::format(
          "The data has a variable \"{}\", which the variables table does not "
          "name{}; add it or an alias, or leave it out with [transform] unknown = "
          "\"drop\".{}",
          source.name, near.empty() ? "" : " (it has \"" + near + "\")", first_event(table, v)));
    }
  }
  std::vector<std::int64_t> unknown(routes.size(), 0), outside(variables_.size(), 0);
  for (std::size_t e = 0; e < table.variable.size(); ++e) {
    const auto source = static_cast<std::size_t>(table.variable[e]);
    const Route& route = routes[source];
    table.variable[e] = route.number;
    table.value[e] = static_cast<float>(route.conversion(table.value[e]));
    if (route.number < 0) {
      ++unknown[source];
      continue;
    }
    const auto number = static_cast<std::size_t>(route.number);
    const kernels::GridVariable& grid = variables_[number].grid;
    outside[number] += !(table.value[e] >= static_cast<float>(grid.low) &&
                         table.value[e] <= static_cast<float>(grid.high));
  }
  counts.mapped = static_cast<std::int64_t>(table.variable.size());
  for (std::size_t v = 0; v < routes.size(); ++v) {
    if (routes[v].number >= 0) continue;
    counts.mapped -= unknown[v];
    counts.unknown[table.variables[v].name] += unknown[v];
  }
  table.variables.clear();
  for (std::size_t v = 0; v < variables_.size(); ++v) {
    table.variables.push_back({variables_[v].name, variables_[v].unit});
    if (outside[v] > 0) counts.outside[variables_[v].name] = outside[v];
  }
}

void VariableTable::map_statics(io::VitalsTable& table, MapCounts& counts) const {
  constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();
  const std::size_t stays = table.ids.size(), before = table.static_names.size();
  const std::vector<std::string> columns = static_columns();
  std::vector<float> mapped(stays * columns.size(), kMissing);
  std::size_t column = 0;
  for (const Static& fixed : statics_) {
    const std::size_t width = std::max<std::size_t>(fixed.categories.size(), 1);
    const std::ptrdiff_t source = find_static(table, fixed);
    const UnitConversion conversion = conversion_of(fixed, "");
    for (std::size_t n = 0; source >= 0 && n < stays; ++n) {
      const float stated = table.statics[n * before + static_cast<std::size_t>(source)];
      if (std::isnan(stated)) continue;
      const double value = conversion(stated);
      float* to = mapped.data() + n * columns.size() + column;
      const bool known = fixed.categories.empty() ||
                         std::count(fixed.categories.begin(), fixed.categories.end(), value) > 0;
      if (!known || !(value >= fixed.low && value <= fixed.high)) {
        ++counts.statics_outside[fixed.name];
      } else if (fixed.categories.empty()) {
        *to = static_cast<float>(value);
      } else {
        for (std::size_t c = 0; c < width; ++c) to[c] = fixed.categories[c] == value ? 1.0F : 0.0F;
      }
    }
    column += width;
  }
  table.static_names = columns;
  table.statics = std::move(mapped);
}

}  // namespace salus::data
