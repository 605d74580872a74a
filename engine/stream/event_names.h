#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/data/variables.h"

namespace salus::stream {

/// A measurement as it comes.
struct StreamEvent {
  double time = 0;                 ///< hours since the stay began
  std::string_view variable = {};  ///< a name or alias; "": nothing was measured, but so late is it
  float value = 0;                 ///< NaN: missing
  std::string_view unit = {};      ///< "": the source states none
};

/// What became of an event.
enum class Fate : std::int32_t {
  kNothing,          ///< it measures nothing: the stay is so late, or goes on as it was
  kUsed,             ///< in the grid
  kMissing,          ///< value NaN or infinite
  kTimeless,         ///< time NaN or infinite
  kFuture,           ///< after StreamOptions::latest
  kUnsorted,         ///< before an event of its stay that came earlier, and such are not taken
  kUnknownVariable,  ///< the stay is as long as it says, as in the batch
  kUnknownUnit,      ///< the same
  kOutsideRange,     ///< not plausible
  kOutsideGrid,      ///< before time 0 or after the last bin
  kLate,             ///< of a closed bin that is not kept
  kRepeated          ///< of variable and time of an event before, and such are refused
};
inline constexpr std::size_t kFates = 12;
/// How many events have come to each fate.
using FateCounts = std::array<std::int64_t, kFates>;

/// An event in the model's terms.
struct MappedEvent {
  enum class Kind : std::int32_t { kMeasured, kUnknownVariable, kUnknownUnit, kTime };

  double time = 0;
  float value = 0;  ///< in the model's unit
  std::int32_t variable = -1;
  Kind kind = Kind::kTime;
  std::int32_t next = -1;      ///< next event of the same stay among those given together; -1: none
  Fate fate = Fate::kNothing;  ///< set when it is taken
  std::int64_t line = 0;       ///< PoolEvent::line
};

/// Names and units of events -> a model's variables and units.
///
/// A name or unit that the variables table does not know is no error: its events are marked, and it
/// is told once, by take_notes(). Pairs of name and unit are remembered when they first come, up to
/// kMost of them, which is the only allocation; names and aliases without a unit are known from the
/// start. Not thread-safe.
class EventNames {
 public:
  static constexpr std::size_t kMost = 4096;

  explicit EventNames(const data::VariableTable& table);

  MappedEvent map(const StreamEvent& event);

  /// A sentence for each unknown name or unit met since the last call.
  std::vector<std::string> take_notes() { return std::exchange(notes_, {}); }

 private:
  struct Route {
    std::int32_t variable = -1;
    MappedEvent::Kind kind = MappedEvent::Kind::kUnknownVariable;
    data::UnitConversion conversion;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };

  Route find(std::string_view name, std::string_view unit);
  Route learn(const std::string& name, const std::string& unit, std::string_view key);

  data::VariableTable table_;
  std::unordered_map<std::string, Route, Hash, std::equal_to<>>
      routes_;  ///< by name, line end, unit
  std::vector<std::string> notes_;
};

}  // namespace salus::stream
