#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "engine/core/task.h"

namespace salus::tools {

/// Adds what is said of a case, by label: "probabilities" (regression: "values") and "decisions" (null
/// where a label has no operating point).
void put_scores(const Task& task, const std::vector<double>& scores,
                const std::vector<int>& decisions, nlohmann::ordered_json& line);

/// Prints one line of JSON Lines; text that is not UTF-8 is mended.
void print_line(const nlohmann::ordered_json& line);

}  // namespace salus::tools
