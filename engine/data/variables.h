#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/core/config.h"
#include "engine/data/units.h"
#include "engine/io/vitals.h"
#include "kernels/vitals_grid_variable.h"

namespace salus::data {

/// What is common to a measured variable and a static one.
struct Measure {
  std::string name;
  std::vector<std::string> aliases;  ///< other names in sources; case does not matter in any name
  std::string unit;                  ///< of the model and of `low` and `high`; "" if it has none
  std::string source_unit;           ///< of values whose source states none
  double molar_mass = 0;             ///< g/mol, for mg/dL to mmol/L
  double valence = 1;                ///< for mmol/L to mEq/L
  std::map<std::string, UnitConversion> conversions;  ///< of units that are not commonly known
};

/// From a unit of the source ("": none is stated) into the measure's own.
/// \throws salus::Error naming the measure and both units.
UnitConversion conversion_of(const Measure& measure, const std::string& stated);

/// A variable of the grid. `grid` holds what vitals_grid is told, without mean and stddev: these
/// are the training data's.
struct Variable : Measure {
  kernels::GridVariable grid;
};

/// A number per stay.
struct Static : Measure {
  double low = 0, high = 0;        ///< plausible range; outside is missing
  std::vector<double> categories;  ///< not empty: one column of 0 and 1 for each
  bool clock = false;              ///< hours on the stay's clock
};

/// What became of a source's values.
struct MapCounts {
  std::int64_t mapped = 0;
  std::map<std::string, std::int64_t> unknown;  ///< events of names that the table does not know
  std::map<std::string, std::int64_t> outside;  ///< events outside of their variable's range
  std::map<std::string, std::int64_t> statics_outside;  ///< static values outside of their range
};

/// The variables of a model, their units and how each is gridded; a TOML file that a bundle
/// carries.
///
///   [[variable]]                  in the order of the model's inputs
///   name = "Glucose"              needed; all else may be left out
///   aliases = ["glu"]
///   unit = "mmol/L"
///   source_unit = "mg/dL"         default: unit
///   molar_mass = 180.156
///   valence = 1
///   conversions = [{unit = "point", factor = 0.5, offset = 0}]
///   range = [0.5, 110]            default: everything finite
///   transform = "log"             none (default), log, log1p
///   aggregate = "mean"            last (default), mean, min, max, sum, count
///   max_gap = 24                  hours of forward fill; default: for ever
///   fill = "mean"                 mean (default), zero, nan
///   [[static]]                    name to range as above, and
///   categories = [1, 2, 3, 4]     one column each
///   clock = true                  hours from the stay's beginning, below 0 before it: models are also
///                                 told the time since then, bin by bin
///
/// \throws UsageError (parse) for unknown keys, naming the nearest known one, two variables that
///         share a name, units that nothing converts, an empty range and other values than stated.
class VariableTable {
 public:
  static VariableTable parse_file(const std::string& path);
  static VariableTable parse(const std::string& text, const std::string& origin);
  explicit VariableTable(const Config& config);

  const std::vector<Variable>& variables() const { return variables_; }
  const std::vector<Static>& statics() const { return statics_; }

  /// Number of a variable by name or alias, or -1.
  std::int32_t find(const std::string& name) const;
  /// Numbers of several. \throws UsageError for a name that it does not know, naming the nearest.
  std::vector<std::int32_t> numbers(const std::vector<std::string>& names) const;
  /// Columns that map() makes of the statics: "Age", "ICUType=1", ...
  std::vector<std::string> static_columns() const;

  /// Rewrites a table as read into this one's variables and units, in place: `variable` becomes a
  /// number of variables(), -1 (left out by vitals_grid) for names that it does not know, and
  /// `statics` the columns of static_columns(), NaN where missing or outside of the range.
  /// Events outside of their plausible range are counted and left to vitals_grid, which takes none.
  ///
  /// \param refuse_unknown  an unknown variable is an error that names the nearest known one.
  /// \throws salus::Error also for a unit that cannot be converted; it names the stay and the hour of
  ///         the first event concerned.
  MapCounts map(io::VitalsTable& table, bool refuse_unknown = false) const;

  /// The table as TOML, defaults included; parse() gives the same table.
  const std::string& toml() const { return toml_; }

 private:
  void map_events(io::VitalsTable& table, bool refuse_unknown, MapCounts& counts) const;
  void map_statics(io::VitalsTable& table, MapCounts& counts) const;

  std::vector<Variable> variables_;
  std::vector<Static> statics_;
  std::map<std::string, std::int32_t> numbers_;  ///< of lower-case names and aliases
  std::string toml_;
};

}  // namespace salus::data
