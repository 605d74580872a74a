#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "models/zoo.h"
#include "tools/command.h"

namespace salus::tools {
namespace {

int list_models(const Common& common) {
  Registry zoo;
  register_zoo(zoo);
  if (common.json) {
    auto out = nlohmann::ordered_json::array();
    for (const auto& entry : zoo.entries()) {
      out.push_back({{"name", entry.name},
                     {"takes", to_string(entry.modality)},
                     {"description", entry.description},
                     {"options", entry.option_help}});
    }
    fmt::print("{}\n", out.dump(2));
    return kDone;
  }
  for (const auto& entry : zoo.entries()) {
    fmt::print("{:<18} {} ({})\n", entry.name, entry.description, to_string(entry.modality));
    for (const auto& [option, help] : entry.option_help) {
      fmt::print("{:<18}   {}: {}\n", "", option, help);
    }
  }
  return kDone;
}

}  // namespace

void add_models(CLI::App& app, int& exit_status) {
  auto common = std::make_shared<Common>();
  auto* command = app.add_subcommand("models", "List the architectures");
  common->add_to(*command);
  command->callback([common, &exit_status] { exit_status = list_models(*common); });
}

}  // namespace salus::tools
