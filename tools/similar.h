#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tools/command.h"

namespace salus::tools {

/// `salus similar query`, as a subcommand of `similar`.
void add_similar_query(CLI::App& similar, int& exit_status);

/// Prints a report: as JSON, or one "key: value" line per entry.
void print_similar_report(const nlohmann::ordered_json& report, bool json);

}  // namespace salus::tools
