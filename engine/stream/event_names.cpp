#include "engine/stream/event_names.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "engine/io/error.h"

namespace salus::stream {

EventNames::EventNames(const data::VariableTable& table) : table_(table) {
  for (const data::Variable& variable : table_.variables()) {
    find(variable.name, "");
    find(variable.name, variable.unit);
    for (const std::string& alias : variable.aliases) find(alias, "");
  }
}

MappedEvent EventNames::map(const StreamEvent& event) {
  MappedEvent mapped;
  mapped.time = event.time;
  if (event.variable.empty()) return mapped;
  const Route route = find(event.variable, event.unit);
  mapped.kind = route.kind;
  mapped.variable = route.variable;
  mapped.value = static_cast<float>(route.conversion(event.value));
  return mapped;
}

EventNames::Route EventNames::find(std::string_view name, std::string_view unit) {
  std::array<char, 256> room;
  if (name.size() + unit.size() + 1 > room.size()) {
    return learn(std::string(name), std::string(unit), fmt::format("{}\n{}", name, unit));
  }
  char* end = std::copy(name.begin(), name.end(), room.begin());
  *end++ = '\n';
  end = std::copy(unit.begin(), unit.end(), end);
  const std::string_view key(room.data(), static_cast<std::size_t>(end - room.data()));
  const auto found = routes_.find(key);
  return found != routes_.end() ? found->second : learn(std::string(name), std::string(unit), key);
}

EventNames::Route EventNames::learn(const std::string& name, const std::string& unit,
                                    std::string_view key) {
  if (const auto found = routes_.find(key); found != routes_.end()) return found->second;
  Route route;
  std::string note;
  route.variable = table_.find(name);
  if (route.variable < 0) {
    note = fmt::format("The model has no variable \"{}\"; its values are left out.", name);
  } else {
    route.kind = MappedEvent::Kind::kMeasured;
    try {
      const auto& variable = table_.variables()[static_cast<std::size_t>(route.variable)];
      route.conversion = data::conversion_of(variable, unit);
    } catch (const Error& error) {
      route.kind = MappedEvent::Kind::kUnknownUnit;
      note = fmt::format("{} Its values in this unit are left out.", error.what());
    }
  }
  if (routes_.size() >= kMost)
    return route;  // what is new from here on is not remembered, nor told
  routes_.emplace(key, route);
  if (!note.empty()) notes_.push_back(std::move(note));
  return route;
}

}  // namespace salus::stream
