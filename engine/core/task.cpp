#include "engine/core/task.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "engine/io/error.h"

namespace salus {
namespace {

constexpr std::array<std::pair<TaskKind, const char*>, 4> kNames{{
    {TaskKind::kBinary, "binary"},
    {TaskKind::kMulticlass, "multiclass"},
    {TaskKind::kMultilabel, "multilabel"},
    {TaskKind::kRegression, "regression"},
}};

}  // namespace

std::string to_string(TaskKind kind) {
  for (const auto& [value, name] : kNames) {
    if (value == kind) return name;
  }
  return "unknown";
}

TaskKind parse_task_kind(const std::string& name) {
  for (const auto& [value, known] : kNames) {
    if (name == known) return value;
  }
  throw UsageError(
      fmt::format("There is no task kind '{}'; choose one of binary, multiclass, multilabel, "
                  "regression.",
                  name));
}

}  // namespace salus
