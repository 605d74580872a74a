#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace salus {

enum class TaskKind { kBinary, kMulticlass, kMultilabel, kRegression };

/// What a model is asked: decides loss, activation and metrics.
///
/// binary: one label, the positive finding; one output. multiclass: labels are the classes.
/// multilabel: labels are the findings, each with its own sigmoid. regression: labels are the
/// quantities. outputs() = labels.size() in all four.
struct Task {
  TaskKind kind = TaskKind::kBinary;
  std::vector<std::string> labels;

  std::int64_t outputs() const { return static_cast<std::int64_t>(labels.size()); }
};

std::string to_string(TaskKind kind);               ///< "binary", "multiclass", ...
TaskKind parse_task_kind(const std::string& name);  ///< \throws UsageError naming the choices

}  // namespace salus
