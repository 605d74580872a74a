#include "engine/data/variables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>

#include "engine/data/duration.h"
#include "engine/io/error.h"

namespace salus::data {
namespace {

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

/// Position of the key's choice among `choices`, whose first is the default.
template <typename Enum>
Enum choice(const Config& config, const std::string& key, const std::vector<std::string>& choices) {
  const std::string chosen = config.get_choice(key, choices, choices.front());
  return static_cast<Enum>(std::find(choices.begin(), choices.end(), chosen) - choices.begin());
}

double positive(const Config& config, const std::string& key, double fallback) {
  if (!config.has(key)) return fallback;
  const double value = config.get_double(key);
  if (!(value > 0) || !std::isfinite(value)) {
    throw UsageError(fmt::format("{} must be above 0, not {}.", config.where(key), value));
  }
  return value;
}

void read_conversions(const Config& config, Measure& measure) {
  for (const Config& stated : config.tables("conversions")) {
    UnitConversion conversion;
    conversion.factor = stated.get_double("factor", 1);
    conversion.offset = stated.get_double("offset", 0);
    if (conversion.factor == 0 || !std::isfinite(conversion.factor) ||
        !std::isfinite(conversion.offset)) {
      throw UsageError(fmt::format("{} must be finite and not 0.", stated.where("factor")));
    }
    measure.conversions[lower(stated.get_string("unit"))] = conversion;
  }
}

std::optional<UnitConversion> conversion_from(const Measure& measure, const std::string& unit) {
  const auto stated = measure.conversions.find(lower(unit));
  if (stated != measure.conversions.end()) return stated->second;
  return convert_unit(unit, measure.unit, measure.molar_mass, measure.valence);
}

void read_measure(const Config& config, Measure& measure) {
  measure.name = config.get_string("name");
  if (measure.name.empty()) {
    throw UsageError(fmt::format("{} must not be empty.", config.where("name")));
  }
  measure.aliases = config.get_strings("aliases", {});
  measure.unit = config.get_string("unit", "");
  measure.source_unit = config.get_string("source_unit", measure.unit);
  measure.molar_mass = positive(config, "molar_mass", 0);
  measure.valence = positive(config, "valence", 1);
  read_conversions(config, measure);
  if (!conversion_from(measure, measure.source_unit)) {
    throw UsageError(
        fmt::format("{} is \"{}\", which cannot be converted into \"{}\"; add molar_mass or "
                    "conversions.",
                    config.where("source_unit"), measure.source_unit, measure.unit));
  }
}

void read_range(const Config& config, double& low, double& high) {
  low = -std::numeric_limits<double>::infinity();
  high = std::numeric_limits<double>::infinity();
  if (!config.has("range")) return;
  const auto range = config.get_doubles("range");
  if (range.size() != 2 || !(range[0] <= range[1])) {
    throw UsageError(
        fmt::format("{} must be [low, high] with low not above high.", config.where("range")));
  }
  low = range[0], high = range[1];
}

Variable read_variable(const Config& config) {
  Variable variable;
  read_measure(config, variable);
  kernels::GridVariable& grid = variable.grid;
  read_range(config, grid.low, grid.high);
  grid.transform = choice<kernels::GridTransform>(config, "transform", {"none", "log", "log1p"});
  grid.aggregate = choice<kernels::Aggregate>(config, "aggregate",
                                              {"last", "mean", "min", "max", "sum", "count"});
  grid.fill = choice<kernels::GridFill>(config, "fill", {"mean", "zero", "nan"});
  grid.max_gap = read_hours(config, "max_gap", std::numeric_limits<double>::infinity());
  if (!(grid.max_gap >= 0)) {
    throw UsageError(fmt::format("{} must be 0 hours or more.", config.where("max_gap")));
  }
  if (grid.transform == kernels::GridTransform::kLog && grid.fill == kernels::GridFill::kZero) {
    throw UsageError(
        fmt::format("{} cannot be \"zero\" with transform = \"log\": 0 has no "
                    "logarithm; use \"mean\" or log1p.",
                    config.where("fill")));
  }
  return variable;
}

Static read_static(const Config& config) {
  Static fixed;
  read_measure(config, fixed);
  read_range(config, fixed.low, fixed.high);
  fixed.categories = config.get_doubles("categories", {});
  fixed.clock = config.get_bool("clock", false);
  if (fixed.clock && !fixed.categories.empty()) {
    throw UsageError(fmt::format("{} cannot be true of a static with categories: it is a time.",
                                 config.where("clock")));
  }
  return fixed;
}

}  // namespace

VariableTable VariableTable::parse_file(const std::string& path) {
  return VariableTable(Config::parse_file(path));
}

VariableTable VariableTable::parse(const std::string& text, const std::string& origin) {
  return VariableTable(Config::parse(text, origin));
}

VariableTable::VariableTable(const Config& config) {
  for (const Config& entry : config.tables("variable")) {
    const auto number = static_cast<std::int32_t>(variables_.size());
    variables_.push_back(read_variable(entry));
    std::vector<std::string> names = variables_.back().aliases;
    names.push_back(variables_.back().name);
    for (const std::string& name : names) {
      if (const auto [found, fresh] = numbers_.try_emplace(lower(name), number); !fresh) {
        throw UsageError(fmt::format(
            "{}: \"{}\" is a name of {} already; a name stands for one "
            "variable.",
            entry.where("name"), name, variables_[static_cast<std::size_t>(found->second)].name));
      }
    }
  }
  for (const Config& entry : config.tables("static")) {
    statics_.push_back(read_static(entry));
    for (std::size_t i = 0; i + 1 < statics_.size(); ++i) {
      if (lower(statics_[i].name) == lower(statics_.back().name)) {
        throw UsageError(fmt::format("{} is that of a static already.", entry.where("name")));
      }
    }
  }
  config.reject_unknown();
  if (variables_.empty()) {
    throw UsageError(fmt::format("{}: there is no [[variable]]; a table needs at least one.",
                                 config.where("variable")));
  }
  toml_ = config.to_toml();
}

std::int32_t VariableTable::find(const std::string& name) const {
  const auto found = numbers_.find(lower(name));
  return found == numbers_.end() ? -1 : found->second;
}

std::vector<std::int32_t> VariableTable::numbers(const std::vector<std::string>& names) const {
  std::vector<std::int32_t> numbers;
  for (const auto& name : names) {
    numbers.push_back(find(name));
    if (numbers.back() >= 0) continue;
    std::vector<std::string> known;
    for (const Variable& variable : variables_) known.push_back(variable.name);
    const std::string near = nearest(name, known);
    throw UsageError(fmt::format("The variables table has no variable \"{}\"{}; it has {}.", name,
                                 near.empty() ? "" : " (did you mean \"" + near + "\"?)",
                                 fmt::join(known, ", ")));
  }
  return numbers;
}

std::vector<std::string> VariableTable::static_columns() const {
  std::vector<std::string> columns;
  for (const Static& fixed : statics_) {
    if (fixed.categories.empty()) columns.push_back(fixed.name);
    for (const double category : fixed.categories) {
      columns.push_back(fmt::format("{}={}", fixed.name, category));
    }
  }
  return columns;
}

UnitConversion conversion_of(const Measure& measure, const std::string& stated) {
  const std::string& unit = stated.empty() ? measure.source_unit : stated;
  const auto conversion = conversion_from(measure, unit);
  if (!conversion) {
    throw Error(
        fmt::format("{} is given in \"{}\", which cannot be converted into \"{}\"; add {}"
                    "conversions = [{{unit = \"{}\", factor = ...}}] to it in the variables table.",
                    measure.name, unit, measure.unit, is_unit(unit) ? "molar_mass or " : "", unit));
  }
  return *conversion;
}

}  // namespace salus::data
