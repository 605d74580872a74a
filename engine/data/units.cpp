#include "engine/data/units.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>

namespace salus::data {
namespace {

enum class Quantity {
  kTemperature,
  kPressure,
  kLength,
  kMass,
  kVolume,
  kTime,
  kRate,
  kFraction,
  kVoltage,
  kCells,
  kEnzyme,
  kMassConcentration,
  kAmountConcentration,
  kChargeConcentration,
};

/// base = value * factor + offset, in the unit of the quantity that has factor 1.
struct Unit {
  std::string_view name;
  Quantity quantity;
  double factor;
  double offset = 0;
};

constexpr double kKelvin = 273.15;

constexpr std::array kUnits = {
    Unit{"degc", Quantity::kTemperature, 1},
    Unit{"c", Quantity::kTemperature, 1},
    Unit{"celsius", Quantity::kTemperature, 1},
    Unit{"degf", Quantity::kTemperature, 5.0 / 9, -160.0 / 9},
    Unit{"f", Quantity::kTemperature, 5.0 / 9, -160.0 / 9},
    Unit{"fahrenheit", Quantity::kTemperature, 5.0 / 9, -160.0 / 9},
    Unit{"k", Quantity::kTemperature, 1, -kKelvin},
    Unit{"kelvin", Quantity::kTemperature, 1, -kKelvin},
    Unit{"mmhg", Quantity::kPressure, 1},
    Unit{"torr", Quantity::kPressure, 1},
    Unit{"kpa", Quantity::kPressure, 7.500615758456564},
    Unit{"pa", Quantity::kPressure, 0.007500615758456564},
    Unit{"cmh2o", Quantity::kPressure, 0.7355591400691864},
    Unit{"m", Quantity::kLength, 1},
    Unit{"cm", Quantity::kLength, 0.01},
    Unit{"mm", Quantity::kLength, 0.001},
    Unit{"in", Quantity::kLength, 0.0254},
    Unit{"inch", Quantity::kLength, 0.0254},
    Unit{"ft", Quantity::kLength, 0.3048},
    Unit{"kg", Quantity::kMass, 1},
    Unit{"g", Quantity::kMass, 1e-3},
    Unit{"lb", Quantity::kMass, 0.45359237},
    Unit{"lbs", Quantity::kMass, 0.45359237},
    Unit{"oz", Quantity::kMass, 0.028349523125},
    Unit{"ml", Quantity::kVolume, 1},
    Unit{"l", Quantity::kVolume, 1000},
    Unit{"h", Quantity::kTime, 1},
    Unit{"hour", Quantity::kTime, 1},
    Unit{"hours", Quantity::kTime, 1},
    Unit{"min", Quantity::kTime, 1.0 / 60},
    Unit{"s", Quantity::kTime, 1.0 / 3600},
    Unit{"ms", Quantity::kTime, 1.0 / 3'600'000},
    Unit{"d", Quantity::kTime, 24},
    Unit{"day", Quantity::kTime, 24},
    Unit{"days", Quantity::kTime, 24},
    Unit{"year", Quantity::kTime, 8766},
    Unit{"years", Quantity::kTime, 8766},
    Unit{"1/min", Quantity::kRate, 1},
    Unit{"/min", Quantity::kRate, 1},
    Unit{"bpm", Quantity::kRate, 1},
    Unit{"hz", Quantity::kRate, 60},
    Unit{"1/s", Quantity::kRate, 60},
    Unit{"1", Quantity::kFraction, 1},
    Unit{"fraction", Quantity::kFraction, 1},
    Unit{"%", Quantity::kFraction, 0.01},
    Unit{"percent", Quantity::kFraction, 0.01},
    Unit{"mv", Quantity::kVoltage, 1},
    Unit{"uv", Quantity::kVoltage, 1e-3},
    Unit{"v", Quantity::kVoltage, 1000},
    Unit{"10^9/l", Quantity::kCells, 1},
    Unit{"10*9/l", Quantity::kCells, 1},
    Unit{"cells/nl", Quantity::kCells, 1},
    Unit{"k/ul", Quantity::kCells, 1},
    Unit{"10^3/ul", Quantity::kCells, 1},
    Unit{"10*3/ul", Quantity::kCells, 1},
    Unit{"cells/ul", Quantity::kCells, 1e-3},
    Unit{"/ul", Quantity::kCells, 1e-3},
    Unit{"cells/mm3", Quantity::kCells, 1e-3},
    Unit{"10^12/l", Quantity::kCells, 1e3},
    Unit{"10^6/ul", Quantity::kCells, 1e3},
    Unit{"u/l", Quantity::kEnzyme, 1},
    Unit{"iu/l", Quantity::kEnzyme, 1},
    Unit{"ukat/l", Quantity::kEnzyme, 60},
    Unit{"nkat/l", Quantity::kEnzyme, 0.06},
    Unit{"g/l", Quantity::kMassConcentration, 1},
    Unit{"mg/ml", Quantity::kMassConcentration, 1},
    Unit{"g/dl", Quantity::kMassConcentration, 10},
    Unit{"mg/dl", Quantity::kMassConcentration, 0.01},
    Unit{"mg%", Quantity::kMassConcentration, 0.01},
    Unit{"mg/l", Quantity::kMassConcentration, 1e-3},
    Unit{"ug/ml", Quantity::kMassConcentration, 1e-3},
    Unit{"ug/dl", Quantity::kMassConcentration, 1e-5},
    Unit{"ug/l", Quantity::kMassConcentration, 1e-6},
    Unit{"ng/ml", Quantity::kMassConcentration, 1e-6},
    Unit{"ng/dl", Quantity::kMassConcentration, 1e-8},
    Unit{"ng/l", Quantity::kMassConcentration, 1e-9},
    Unit{"pg/ml", Quantity::kMassConcentration, 1e-9},
    Unit{"mol/l", Quantity::kAmountConcentration, 1},
    Unit{"mmol/l", Quantity::kAmountConcentration, 1e-3},
    Unit{"mm/l", Quantity::kAmountConcentration, 1e-3},
    Unit{"umol/l", Quantity::kAmountConcentration, 1e-6},
    Unit{"nmol/l", Quantity::kAmountConcentration, 1e-9},
    Unit{"pmol/l", Quantity::kAmountConcentration, 1e-12},
    Unit{"eq/l", Quantity::kChargeConcentration, 1},
    Unit{"meq/l", Quantity::kChargeConcentration, 1e-3},
};

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

const Unit* find_unit(std::string text) {
  replace_all(text, "\xc2\xb5", "u");    // micro sign
  replace_all(text, "\xce\xbc", "u");    // Greek mu
  replace_all(text, "\xc2\xb0", "deg");  // degree sign
  replace_all(text, " ", "");
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const auto* found = std::find_if(kUnits.begin(), kUnits.end(),
                                   [&](const Unit& unit) { return unit.name == text; });
  return found == kUnits.end() ? nullptr : found;
}

bool is_concentration(Quantity quantity) { return quantity >= Quantity::kMassConcentration; }

/// mol/L of one base unit of a concentration; 0 if it takes a molar mass that is not given.
double amount_of(Quantity quantity, double molar_mass, double valence) {
  if (quantity == Quantity::kMassConcentration) return molar_mass > 0 ? 1 / molar_mass : 0;
  return quantity == Quantity::kChargeConcentration ? 1 / valence : 1;
}

}  // namespace

std::optional<UnitConversion> convert_unit(const std::string& from, const std::string& to,
                                           double molar_mass, double valence) {
  if (from == to) return UnitConversion{};
  const Unit* source = find_unit(from);
  const Unit* target = find_unit(to);
  if (source == nullptr || target == nullptr) return std::nullopt;
  double between = 1;
  if (source->quantity != target->quantity) {
    if (!is_concentration(source->quantity) || !is_concentration(target->quantity)) {
      return std::nullopt;
    }
    const double source_amount = amount_of(source->quantity, molar_mass, valence);
    const double target_amount = amount_of(target->quantity, molar_mass, valence);
    if (source_amount == 0 || target_amount == 0) return std::nullopt;
    between = source_amount / target_amount;
  }
  UnitConversion conversion;
  conversion.factor = source->factor * between / target->factor;
  conversion.offset = (source->offset - target->offset) / target->factor;
  return conversion;
}

bool is_unit(const std::string& unit) { return find_unit(unit) != nullptr; }

}  // namespace salus::data
