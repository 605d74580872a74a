#include "engine/core/registry.h"

#include <fmt/format.h>

#include "engine/core/config.h"
#include "engine/core/ensemble.h"
#include "engine/io/error.h"

namespace salus {
namespace {

std::string suggestion(const std::string& word, const std::vector<std::string>& known) {
  const std::string near = nearest(word, known);
  return near.empty() ? "" : fmt::format(" Did you mean '{}'?", near);
}

void check_options(const ModelEntry& entry, const ModelSpec& spec) {
  std::vector<std::string> known;
  for (const auto& [key, help] : entry.option_help) known.push_back(key);
  for (const auto& [key, value] : spec.options) {
    if (entry.option_help.contains(key)) continue;
    throw UsageError(fmt::format("The model '{}' has no option '{}'.{} It takes: {}.", entry.name,
                                 key, suggestion(key, known), fmt::join(known, ", ")));
  }
}

void check_at_least_one(std::int64_t value, const char* what, const std::string& name) {
  if (value >= 1) return;
  throw UsageError(fmt::format("The model '{}' is asked for {} = {}; it must be at least 1.", name,
                               what, value));
}

void check_input(const ModelEntry& entry, const ModelSpec& spec) {
  if (entry.modality != spec.modality) {
    throw UsageError(fmt::format("The model '{}' takes {}, and the data are {}.", entry.name,
                                 to_string(entry.modality), to_string(spec.modality)));
  }
  if (spec.modality == Modality::kVitals) {
    check_at_least_one(spec.variables, "variables", spec.name);
    check_at_least_one(spec.steps, "steps", spec.name);
    return;
  }
  check_at_least_one(spec.channels, "channels", spec.name);
  check_at_least_one(spec.height, "height", spec.name);
  check_at_least_one(spec.width, "width", spec.name);
}

}  // namespace

std::string input_text(const ModelSpec& spec) {
  if (spec.modality == Modality::kVitals) {
    return fmt::format("{} variables and {} static values of up to {} steps", spec.variables,
                       spec.statics, spec.steps);
  }
  return fmt::format("{} x {} pixels in {} channel{}", spec.height, spec.width, spec.channels,
                     spec.channels == 1 ? "" : "s");
}

void Registry::add(ModelEntry entry) {
  for (const ModelEntry& other : entries_) {
    if (other.name != entry.name) continue;
    throw UsageError(fmt::format("The model name '{}' is registered twice.", entry.name));
  }
  entries_.push_back(std::move(entry));
}

const ModelEntry& Registry::find(const std::string& name) const {
  std::vector<std::string> known;
  for (const ModelEntry& entry : entries_) {
    if (entry.name == name) return entry;
    known.push_back(entry.name);
  }
  throw UsageError(fmt::format("There is no model '{}'.{} Known models: {}.", name,
                               suggestion(name, known), fmt::join(known, ", ")));
}

ModelSpec sized_like(const ModelSpec& sizes, const ModelSpec& member) {
  ModelSpec spec = sizes;
  spec.name = member.name;
  spec.options = member.options;
  spec.members.clear();
  return spec;
}

std::shared_ptr<Model> Registry::make_ensemble(const ModelSpec& spec) const {
  if (spec.members.empty()) throw UsageError("An ensemble needs members.");
  std::vector<std::shared_ptr<Model>> members;
  for (const ModelSpec& member : spec.members) members.push_back(make(sized_like(spec, member)));
  return std::make_shared<Ensemble>(std::move(members), spec.outputs);
}

std::shared_ptr<Model> Registry::make(const ModelSpec& spec) const {
  if (spec.name == kEnsemble) return make_ensemble(spec);
  const ModelEntry& entry = find(spec.name);
  check_options(entry, spec);
  check_input(entry, spec);
  check_at_least_one(spec.outputs, "outputs", spec.name);
  return entry.make(spec);
}

}  // namespace salus
