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

/// What an AUPRC of chance would be, beside that of a binary task.
std::string prevalence_note(const Evaluation& evaluation, const Estimate& e) {
  if (evaluation.task != TaskKind::kBinary || e.name != "auprc" || std::isnan(e.value)) return "";
  const LabelResult& label = evaluation.labels[0];
  return fmt::format("  at prevalence {:.3f}",
                     static_cast<double>(label.positives) / static_cast<double>(label.n));
}

void add_overall(std::string& text, const Evaluation& evaluation) {
  for (const Estimate& e : evaluation.overall) {
    fmt::format_to(std::back_inserter(text), "  {:<26}{}{}\n", e.name, with_interval(e),
                   prevalence_note(evaluation, e));
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

void add_operating_points(std::string& text, const LabelResult& label, const AlarmTimes& times) {
  if (label.operating_points.empty()) return;
  std::vector<Row> rows, stays;
  for (const OperatingResult& r : label.operating_points) {
    const std::string name = fmt::format("{} (p >= {:.4f})", r.point.name, r.point.threshold);
    rows.push_back({name, label.n, label.positives, &r.metrics});
    stays.push_back({name, label.stays, label.positive_stays, &r.stays});
  }
  std::vector<std::string> shown = {"sensitivity", "specificity", "ppv", "npv"};
  if (find(*rows[0].metrics, "event1") != nullptr) shown.push_back("event1");
  add_table(text, fmt::format("operating point, {}", label.label), rows, shown);
  if (label.stays == 0) return;
  add_table(text, fmt::format("stays, {}", label.label), stays,
            {"utility", "alarms_per_stay_day", "stays_alarmed", "alarmed_before_onset",
             "lead_hours_median"});
  text += fmt::format("alarms: {}\n", to_text(times));
}

}  // namespace

std::string to_text(const Evaluation& evaluation) {
  std::string text =
      fmt::format("{} cases of {} patients; {:g} % intervals, {} replicates\n", evaluation.n,
                  evaluation.patients, 100 * evaluation.level, evaluation.replicates);
  add_overall(text, evaluation);
  if (evaluation.labels.size() > 1) {
    std::vector<Row> rows;
    rows.reserve(evaluation.labels.size());
    for (const LabelResult& r : evaluation.labels) {
      rows.push_back({r.label, r.n, r.positives, &r.metrics});
    }
    add_table(text, "label", rows, compared(evaluation.task));
  }
  for (const LabelResult& r : evaluation.labels) add_operating_points(text, r, evaluation.alarms);
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
