#pragma once

#include <optional>
#include <string>

namespace salus::data {

/// target = value * factor + offset.
struct UnitConversion {
  double factor = 1;
  double offset = 0;
  double operator()(double value) const { return value * factor + offset; }
};

/// Converts between units of measurement as hospitals write them: temperatures, pressures, lengths,
/// masses, volumes, times, rates, fractions, voltages, cell counts, enzyme activities, and
/// concentrations by mass (mg/dL), by amount (mmol/L) and by charge (mEq/L).
///
/// Case and blanks do not matter, nor whether micro is written u, as its sign or as the Greek
/// letter, nor whether a degree is its sign or "deg".
///
/// \param molar_mass  g/mol; between mass and amount. 0: such a conversion is none.
/// \param valence     charges per molecule; between amount and charge.
/// \returns nothing if a unit is not known or the two measure different things.
std::optional<UnitConversion> convert_unit(const std::string& from, const std::string& to,
                                           double molar_mass = 0, double valence = 1);

/// True if convert_unit() knows the unit.
bool is_unit(const std::string& unit);

}  // namespace salus::data
