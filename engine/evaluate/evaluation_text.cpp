#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "engine/evaluate/evaluation.h"

namespace salus::evaluate {
namespace {

/// Three decimals for shares; a quantity in its own unit keeps four significant digits.
std::string figure(double value) {
  return std::abs(value) < 10 ? fmt::format("{:.3f}", value) : fmt::format("{:.4g}", value);
}

std::string with_interval(const Estimate& e) {
  if (std::isnan(e.value)) return fmt::format("absent: {}", e.absent_because);
  if (!e.interval) return figure(e.value);
  return fmt::format("{}  [{}, {}]", figure(e.value), figure(e.interval->low),
                     figure(e.interval->high));
}

void add_estimates(std::string& text, const std::vector<Estimate>& estimates) {
  for (const Estimate& e : estimates) {
    fmt::format_to(std::back_inserter(text), "  {:<26}{}\n", e.name, with_interval(e));
  }
}

/// One row per label or subgroup, with the few metrics that are compared between them.
struct Row {
  std::string name;
  std::size_t n, positives;
  const std::vector<Estimate>* metrics;
};

void add_table(std::string& text, const std::string& title, const std::vector<Row>& rows,
               const std::vector<std::string>& shown) {
  std::size_t width = title.size();
  for (const Row& row : rows) width = std::max(width, row.name.size());
  auto out = std::back_inserter(text);
  fmt::format_to(out, "\n{:<{}}  {:>7}  {:>7}", title, width, "n", "pos");
  for (const std::string& name : shown) fmt::format_to(out, "  {:<21}", name);
  text += '\n';
  for (const Row& row : rows) {
    fmt::format_to(out, "{:<{}}  {:>7}  {:>7}", row.name, width, row.n, row.positives);
    for (const std::string& name : shown) {
      const Estimate* e = find(*row.metrics, name);
      const bool present = e != nullptr && !std::isnan(e->value);
      fmt::format_to(out, "  {:<21}", present ? with_interval(*e) : "-");
    }
    text += '\n';
  }
}

std::vector<std::string> compared(TaskKind task) {
  if (task == TaskKind::kRegression) return {"mae", "rmse", "r2"};
  return {"auroc", "auprc", "sensitivity", "specificity"};
}

void add_operating_points(std::string& text, const LabelResult& label) {
  if (label.operating_points.empty()) return;
  std::vector<Row> rows;
  for (const OperatingResult& r : label.operating_points) {
    rows.push_back({fmt::format("{} (p >= {:.4f})", r.point.name, r.point.threshold), label.n,
                    label.positives, &r.metrics});
  }
  add_table(text, fmt::format("operating point, {}", label.label), rows,
            {"sensitivity", "specificity", "ppv", "npv"});
}

}  // namespace

std::string to_text(const Evaluation& evaluation) {
  std::string text =
      fmt::format("{} cases of {} patients; {:g} % intervals, {} replicates\n", evaluation.n,
                  evaluation.patients, 100 * evaluation.level, evaluation.replicates);
  add_estimates(text, evaluation.overall);
  if (evaluation.labels.size() > 1) {
    std::vector<Row> rows;
    for (const LabelResult& r : evaluation.labels) {
      rows.push_back({r.label, r.n, r.positives, &r.metrics});
    }
    add_table(text, "label", rows, compared(evaluation.task));
  }
  for (const LabelResult& r : evaluation.labels) add_operating_points(text, r);
  std::vector<Row> groups;
  for (const SubgroupResult& r : evaluation.subgroups) {
    const std::string suffix =
        evaluation.labels.size() > 1 && !r.label.empty() ? ", " + r.label : "";
    groups.push_back(
        {fmt::format("{} = {}{}", r.column, r.value, suffix), r.n, r.positives, &r.metrics});
  }
  if (!groups.empty()) {
    const bool multiclass = evaluation.task == TaskKind::kMulticlass;
    add_table(text, "subgroup", groups,
              multiclass ? std::vector<std::string>{"accuracy", "balanced_accuracy", "auroc_macro"}
                         : compared(evaluation.task));
  }
  for (const std::string& note : evaluation.notes) text += "note: " + note + "\n";
  return text;
}

}  // namespace salus::evaluate
