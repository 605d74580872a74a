#include "tools/scores_json.h"

#include <fmt/core.h>

namespace salus::tools {

using Json = nlohmann::ordered_json;

void put_scores(const Task& task, const std::vector<double>& scores,
                const std::vector<int>& decisions, Json& line) {
  const char* key = task.kind == TaskKind::kRegression ? "values" : "probabilities";
  for (std::size_t i = 0; i < scores.size(); ++i) line[key][task.labels[i]] = scores[i];
  for (std::size_t i = 0; i < decisions.size(); ++i) {
    line["decisions"][task.labels[i]] = decisions[i] < 0 ? Json(nullptr) : Json(decisions[i] == 1);
  }
}

void print_line(const Json& line) {
  fmt::print("{}\n", line.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace salus::tools
