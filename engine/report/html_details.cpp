#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "engine/report/html_parts.h"
#include "engine/report/png.h"

namespace salus::report {
namespace {

template <typename... Args>
void append(std::string& text, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(text), format, std::forward<Args>(args)...);
}

std::string section(const std::string& heading, const std::string& body) {
  return fmt::format("<section><h2>{}</h2>{}</section>\n", escape(heading), body);
}

std::string p_text(double p) { return p < 0.001 ? "&lt; 0.001" : fmt::format("{:.3f}", p); }

/// The truth of a case, as a coloured tag, and its score.
std::string verdict(const ReportCase& c, TaskKind task) {
  if (task == TaskKind::kRegression) {
    return fmt::format("<span class=\"tag other\">error {:+.4g}</span> <b>{:.4g}</b>",
                       c.score - c.target, c.score);
  }
  const char* truth = c.target == 1 ? "positive" : "negative";
  return fmt::format("<span class=\"tag {0}\">truly {0}</span> <b>{1:.3f}</b>", truth, c.score);
}

std::string picture(const std::vector<std::byte>& png, const std::string& alt) {
  if (png.empty()) return "";
  return fmt::format("<img src=\"{}\" alt=\"{}\">", png_data_uri(png), escape(alt));
}

std::string figure(double value) {
  return std::abs(value) < 10 ? fmt::format("{:.4f}", value) : fmt::format("{:.5g}", value);
}

}  // namespace

std::string comparison_section(const ReportData& data) {
  if (data.comparisons.empty()) return "";
  std::string rows;
  for (const auto& c : data.comparisons) {
    const std::string name =
        c.label.empty() ? display_name(c.metric) : display_name(c.metric) + ", " + escape(c.label);
    if (!c.absent_because.empty()) {
      append(rows, "<tr><td>{}</td><td colspan=\"6\">absent: {}</td></tr>", name,
             escape(c.absent_because));
      continue;
    }
    const std::string interval =
        c.interval ? fmt::format("{:+.3f} to {:+.3f}", c.interval->low, c.interval->high) : "";
    append(rows,
           "<tr><td>{}</td><td>{:.3f}</td><td>{:.3f}</td><td>{:+.3f}</td><td>{}</td><td>{}</td>"
           "<td>{}</td></tr>",
           name, c.first, c.second, c.difference, interval, p_text(c.p_value), escape(c.test));
  }
  return section("Compared with " + data.compared_with,
                 fmt::format("<div class=\"panel\"><table><tr><th>Metric</th><th>{}</th><th>{}</th>"
                             "<th>Difference</th><th>Interval</th><th>p</th><th>Test</th></tr>{}"
                             "</table></div>",
                             escape(data.title), escape(data.compared_with), rows));
}

std::string worst_section(const ReportData& data) {
  if (data.worst.empty()) return "";
  const bool named = data.evaluation.labels.size() > 1;
  std::string cards;
  for (const ReportCase& c : data.worst) {
    const std::string pictures =
        picture(c.png, "Picture of " + c.id) + picture(c.heatmap, "Heatmap of " + c.id);
    cards += "<div class=\"case\">";
    if (!pictures.empty()) append(cards, "<div class=\"pictures\">{}</div>", pictures);
    append(cards, "<p>{}{}<br><span class=\"soft\">{}</span></p></div>\n",
           verdict(c, data.evaluation.task), named ? "<br>" + escape(c.label) : "", escape(c.id));
  }
  return section("Worst cases", "<div class=\"cases\">" + cards + "</div>");
}

std::string example_stays_section(const ReportData& data) {
  std::string panels;
  for (const ReportStay& stay : data.stays) {
    append(panels,
           "<div class=\"panel\"><p><b>{}</b><br><span class=\"soft\">{}</span></p>{}{}</div>\n",
           escape(stay.kind), escape(stay.id), risk_plot(stay), observed_plot(stay));
  }
  if (panels.empty()) return "";
  return section("Stays over time", "<div class=\"plots\">" + panels + "</div>");
}

std::string metrics_section(const evaluate::Evaluation& evaluation) {
  std::string rows;
  for (const auto& e : evaluation.overall) {
    append(rows, "<tr><td>{}</td>", display_name(e.name));
    if (std::isnan(e.value)) {
      append(rows, "<td colspan=\"3\" class=\"soft\">absent: {}</td></tr>",
             escape(e.absent_because));
      continue;
    }
    append(rows, "<td>{}</td>", figure(e.value));
    if (e.interval) {
      append(rows, "<td>{} &ndash; {}</td><td class=\"soft\">{}</td></tr>", figure(e.interval->low),
             figure(e.interval->high), escape(e.interval->method));
    } else {
      rows += "<td></td><td></td></tr>";
    }
  }
  std::string notes;
  for (const std::string& note : evaluation.notes) notes += "<li>" + escape(note) + "</li>";
  if (!notes.empty())
    notes = "<ul class=\"small soft\" style=\"margin-top:10px\">" + notes + "</ul>";
  return section("All metrics",
                 fmt::format("<div class=\"panel\"><table><tr><th>Metric</th><th>Value</th>"
                             "<th>{:g} % interval</th><th>Method</th></tr>{}</table></div>{}",
                             100 * evaluation.level, rows, notes));
}

std::string facts_section(const std::string& heading, const Facts& facts) {
  if (facts.empty()) return "";
  std::string rows;
  for (const auto& [name, value] : facts) {
    append(rows, "<tr><td>{}</td><td><code>{}</code></td></tr>", escape(name), escape(value));
  }
  return section(heading, "<div class=\"panel\"><table class=\"facts\">" + rows + "</table></div>");
}

std::string limits_section(const ReportData& data) {
  std::string items;
  for (const std::string& limit : data.limits) items += "<li>" + escape(limit) + "</li>";
  const evaluate::Evaluation& e = data.evaluation;
  const std::string method =
      e.replicates > 0 ? fmt::format(
                             "Bootstrap intervals: {} replicates of patients within outcome "
                             "strata, seed {}. ",
                             e.replicates, e.seed)
                       : "";
  append(items,
         "<li>{}An interval holds for cases like these; it says nothing about other "
         "scanners, hospitals or prevalences.</li>",
         method);
  return section("Limits", "<div class=\"panel padded\"><ul>" + items + "</ul></div>");
}

}  // namespace salus::report
