#include "engine/report/html_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

namespace salus::report {
namespace {

using evaluate::Estimate;
using evaluate::Evaluation;
using evaluate::LabelResult;
using evaluate::OperatingResult;

template <typename... Args>
void append(std::string& text, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(text), format, std::forward<Args>(args)...);
}

std::string figure(double value) {
  return std::abs(value) < 10 ? fmt::format("{:.3f}", value) : fmt::format("{:.4g}", value);
}

/// Value and interval of one table cell.
std::string cell(const Estimate* e) {
  if (e == nullptr) return "<td></td>";
  if (std::isnan(e->value)) {
    return fmt::format("<td class=\"soft\" title=\"{}\">&ndash;</td>", escape(e->absent_because));
  }
  if (!e->interval) return fmt::format("<td>{}</td>", figure(e->value));
  return fmt::format("<td>{} <span class=\"i\">[{}, {}]</span></td>", figure(e->value),
                     figure(e->interval->low), figure(e->interval->high));
}

std::string row(const std::string& lead, const std::vector<Estimate>& metrics,
                const std::vector<std::string>& shown) {
  std::string html = "<tr>" + lead;
  for (const std::string& name : shown) html += cell(find(metrics, name));
  return html + "</tr>";
}

std::string head(const std::vector<std::string>& leads, const std::vector<std::string>& shown) {
  std::string html = "<tr>";
  for (const std::string& lead : leads) append(html, "<th>{}</th>", lead);
  for (const std::string& name : shown) append(html, "<th>{}</th>", display_name(name));
  return html + "</tr>";
}

std::vector<std::string> headline_metrics(TaskKind task) {
  switch (task) {
    case TaskKind::kBinary:
      return {"auroc",       "auprc", "utility", "event1", "sensitivity",
              "specificity", "ppv",   "npv",     "brier",  "ece"};
    case TaskKind::kMulticlass:
      return {"auroc_macro", "auroc_micro", "accuracy", "balanced_accuracy", "f1_macro", "ece"};
    case TaskKind::kMultilabel:
      return {"auroc_macro", "auroc_micro", "auprc_macro", "balanced_accuracy_macro",
              "brier",       "ece"};
    case TaskKind::kRegression:
      break;
  }
  return {"mae", "rmse", "r2", "bias"};
}

/// \param note  stands below the figure.
std::string card(const Estimate& e, const std::string& note) {
  std::string html =
      fmt::format("<div class=\"card\"><div class=\"name\">{}</div>", display_name(e.name));
  if (std::isnan(e.value)) {
    append(html, "<div class=\"absent\">absent: {}</div></div>", escape(e.absent_because));
    return html;
  }
  append(html, "<div class=\"value\">{}</div>", figure(e.value));
  if (e.interval) {
    append(html, "<div class=\"interval\">{} &ndash; {}</div>", figure(e.interval->low),
           figure(e.interval->high));
    const auto percent = [](double v) { return 100 * std::clamp(v, 0.0, 1.0); };
    if (e.value >= 0 && e.interval->high <= 1) {
      append(html,
             "<div class=\"range\"><i style=\"left:{:.1f}%;width:{:.1f}%\"></i>"
             "<b style=\"left:calc({:.1f}% - 1px)\"></b></div>",
             percent(e.interval->low), percent(e.interval->high) - percent(e.interval->low),
             percent(e.value));
    }
  }
  if (!note.empty()) append(html, "<div class=\"interval\">{}</div>", note);
  return html + "</div>";
}

/// What the AUPRC of a binary task is to be read against.
std::string prevalence_note(const Evaluation& evaluation) {
  const LabelResult& label = evaluation.labels[0];
  if (label.n == 0) return "";
  return fmt::format("prevalence {:.3f}",
                     static_cast<double>(label.positives) / static_cast<double>(label.n));
}

std::string section(const std::string& heading, const std::string& body) {
  return fmt::format("<section><h2>{}</h2>{}</section>\n", heading, body);
}

void add_figure(std::string& html, const std::string& caption, const std::string& svg) {
  if (svg.empty()) return;
  append(html, "<figure><figcaption>{}</figcaption>{}</figure>\n", escape(caption), svg);
}

std::string label_plots(const LabelResult& label, bool is_regression) {
  std::string html;
  if (is_regression) {
    add_figure(html, "Prediction and target", scatter_plot(label));
    return html;
  }
  add_figure(html, "ROC curve", roc_plot(label));
  add_figure(html, "Precision and recall", pr_plot(label));
  add_figure(html, "Reliability", reliability_plot(label));
  add_figure(html, "Scores by class", histogram_plot(label));
  return html;
}

std::vector<std::string> compared_metrics(TaskKind task) {
  if (task == TaskKind::kRegression) return {"mae", "rmse", "r2"};
  if (task == TaskKind::kMulticlass) return {"auroc", "auprc", "sensitivity", "specificity"};
  return {"auroc", "auprc", "sensitivity", "specificity", "ece"};
}

/// One row per operating point, of what `metrics` of it holds.
std::string operating_table(const Evaluation& evaluation,
                            std::vector<Estimate> OperatingResult::* metrics,
                            const std::vector<std::string>& shown) {
  std::string rows;
  for (const LabelResult& label : evaluation.labels) {
    for (const auto& op : label.operating_points) {
      if ((op.*metrics).empty()) continue;
      const std::string name =
          evaluation.labels.size() > 1 ? label.label + ": " + op.point.name : op.point.name;
      rows += row(fmt::format("<td>{}</td><td>{:.4f}</td>", escape(name), op.point.threshold),
                  op.*metrics, shown);
    }
  }
  if (rows.empty()) return "";
  return "<div class=\"panel\"><table>" + head({"Rule", "Threshold"}, shown) + rows +
         "</table></div>";
}

/// "624 cases", or "889 steps of 16 stays".
std::string count_of_cases(const Evaluation& evaluation) {
  const std::size_t stays = evaluation.labels.empty() ? 0 : evaluation.labels[0].stays;
  if (stays == 0) return fmt::format("{} cases", evaluation.n);
  return fmt::format("{} steps of {} stays", evaluation.n, stays);
}

}  // namespace

std::string display_name(const std::string& metric) {
  static const std::array<std::array<const char*, 2>, 21> kNames{{
      {"auroc", "AUROC"},
      {"auprc", "AUPRC"},
      {"f1", "F1"},
      {"ppv", "PPV"},
      {"npv", "NPV"},
      {"ece", "ECE"},
      {"ece_equal_mass", "ECE, equal mass"},
      {"auroc_macro", "AUROC, macro"},
      {"auroc_micro", "AUROC, micro"},
      {"auprc_macro", "AUPRC, macro"},
      {"auprc_micro", "AUPRC, micro"},
      {"f1_macro", "F1, macro"},
      {"mae", "MAE"},
      {"rmse", "RMSE"},
      {"r2", "R&sup2;"},
      {"balanced_accuracy_macro", "Balanced accuracy"},
      {"event1", "Event 1: min(Se, PPV)"},
      {"event2", "Event 2: H / range"},
      {"lead_hours_q25", "Lead, lower quartile (h)"},
      {"lead_hours_median", "Lead, median (h)"},
      {"lead_hours_q75", "Lead, upper quartile (h)"},
  }};
  for (const auto& [name, shown] : kNames) {
    if (metric == name) return shown;
  }
  std::string shown = escape(metric);
  std::replace(shown.begin(), shown.end(), '_', ' ');
  if (!shown.empty())
    shown[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(shown[0])));
  return shown;
}

std::string header_section(const ReportData& data) {
  const Evaluation& e = data.evaluation;
  return fmt::format(
      "<header><div><h1>{}</h1><div class=\"soft\">{}</div></div>"
      "<div class=\"small soft\" style=\"text-align:right\"><div class=\"brand\">SALUS</div>"
      "{} &middot; {} patients &middot; {:g} % intervals</div></header>\n",
      escape(data.title), escape(data.subtitle), count_of_cases(e), e.patients, 100 * e.level);
}

std::string headline_section(const Evaluation& evaluation) {
  std::string cards;
  for (const std::string& name : headline_metrics(evaluation.task)) {
    const Estimate* e = find(evaluation.overall, name);
    if (e == nullptr) continue;
    cards += card(*e, name == "auprc" ? prevalence_note(evaluation) : "");
  }
  return "<section><div class=\"cards\">" + cards + "</div></section>\n";
}

std::string plot_section(const ReportData& data) {
  const Evaluation& e = data.evaluation;
  const bool is_regression = e.task == TaskKind::kRegression;
  std::string shared;
  std::vector<std::string> names;
  names.reserve(e.labels.size());
  for (const LabelResult& label : e.labels) names.push_back(label.label);
  add_figure(shared, "Confusion matrix", confusion_plot(e.confusion, names));
  std::string html;
  if (e.labels.size() == 1) {
    html = label_plots(e.labels[0], is_regression);
    if (!is_regression) add_figure(shared, "Confusion matrix", confusion_plot(e.labels[0]));
  }
  for (const TrainingCurve& curve : data.training) {
    add_figure(shared, "Training: " + curve.y_label, training_plot(curve.series, curve.y_label));
  }
  html += shared;
  if (!html.empty()) html = "<div class=\"plots\">" + html + "</div>";
  if (e.labels.size() > 1) {
    for (std::size_t l = 0; l < e.labels.size(); ++l) {
      append(html, "<details{}><summary>{}</summary><div class=\"plots\">{}</div></details>",
             l == 0 ? " open" : "", escape(e.labels[l].label),
             label_plots(e.labels[l], is_regression));
    }
  }
  return html.empty() ? "" : section("Curves", html);
}

std::string stays_section(const Evaluation& evaluation) {
  const std::string table =
      operating_table(evaluation, &OperatingResult::stays,
                      {"utility", "alarms_per_stay_day", "stays_alarmed", "alarmed_before_onset",
                       "lead_hours_q25", "lead_hours_median", "lead_hours_q75"});
  if (table.empty()) return "";
  std::string counts;
  for (const LabelResult& label : evaluation.labels) {
    append(counts, "{}: {} stays, {} of them with an onset. ", escape(label.label), label.stays,
           label.positive_stays);
  }
  return section("Alarms",
                 table + "<p class=\"small soft\">" + counts +
                     "Utility is that of the PhysioNet Challenge 2019: 0 without any alarm, 1 at "
                     "best. An alarm is raised where the risk is at least the threshold, with " +
                     escape(to_text(evaluation.alarms)) +
                     "; the lead is from the first one in time to the onset.</p>");
}

std::string operating_section(const Evaluation& evaluation) {
  std::vector<std::string> shown = {"sensitivity", "specificity", "ppv", "npv", "f1", "accuracy"};
  for (const LabelResult& label : evaluation.labels) {
    if (find(label.metrics, "event1") == nullptr) continue;
    shown.back() = "event1";
    break;
  }
  const std::string table = operating_table(evaluation, &OperatingResult::metrics, shown);
  if (table.empty()) return "";
  return section("Operating points",
                 table +
                     "<p class=\"small soft\">Positive where the probability is at least the "
                     "threshold. The thresholds come with the model.</p>");
}

std::string label_section(const Evaluation& evaluation) {
  if (evaluation.labels.size() < 2) return "";
  const auto shown = compared_metrics(evaluation.task);
  std::string rows;
  std::vector<ForestRow> forest;
  for (const LabelResult& label : evaluation.labels) {
    rows += row(fmt::format("<td>{}</td><td>{}</td><td>{}</td>", escape(label.label), label.n,
                            label.positives),
                label.metrics, shown);
    if (const Estimate* e = find(label.metrics, shown[0]))
      forest.push_back({label.label, label.n, *e});
  }
  std::string html = "<div class=\"panel\"><table>" + head({"Label", "n", "Positive"}, shown) +
                     rows + "</table></div>";
  const std::string plot =
      forest_plot(forest, evaluation.task == TaskKind::kRegression ? "MAE" : "AUROC", std::nan(""));
  if (!plot.empty())
    html += "<div class=\"panel padded\" style=\"margin-top:14px\">" + plot + "</div>";
  return section("Labels", html);
}

std::string subgroup_section(const Evaluation& evaluation) {
  if (evaluation.subgroups.empty()) return "";
  const bool multiclass = evaluation.task == TaskKind::kMulticlass;
  const auto shown = multiclass ? std::vector<std::string>{"accuracy", "auroc_macro"}
                                : compared_metrics(evaluation.task);
  std::string rows;
  std::vector<ForestRow> forest;
  for (const auto& group : evaluation.subgroups) {
    std::string name = group.column + " = " + group.value;
    if (evaluation.labels.size() > 1 && !group.label.empty()) name += ", " + group.label;
    const double share =
        group.n > 0 ? 100.0 * static_cast<double>(group.positives) / static_cast<double>(group.n)
                    : 0;
    const bool counted = !group.label.empty() && evaluation.task != TaskKind::kRegression;
    rows += row(fmt::format("<td>{}</td><td>{}</td><td>{}</td>", escape(name), group.n,
                            counted ? fmt::format("{:.1f} %", share) : ""),
                group.metrics, shown);
    if (const Estimate* e = find(group.metrics, shown[0])) forest.push_back({name, group.n, *e});
  }
  const Estimate* all = find(evaluation.overall, shown[0]);
  const bool one = evaluation.labels.size() == 1 || multiclass;
  std::string html = "<div class=\"panel padded\">" +
                     forest_plot(forest,
                                 multiclass          ? "Accuracy"
                                 : shown[0] == "mae" ? "MAE"
                                                     : "AUROC",
                                 one && all != nullptr ? all->value : std::nan("")) +
                     "</div><div class=\"panel\" style=\"margin-top:14px\"><table>" +
                     head({"Subgroup", "n", "Prevalence"}, shown) + rows + "</table></div>";
  return section("Subgroups", html);
}

}  // namespace salus::report
