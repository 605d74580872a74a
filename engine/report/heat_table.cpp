#include "engine/report/heat_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "engine/report/svg.h"

namespace salus::report {
namespace {

constexpr double kMargin = 14, kLeft = 150, kTop = 44, kRow = 20, kBottom = 46, kWidth = 720;
constexpr double kSingleWidth = 60, kNarrowest = 5;  // of a cell with a dot

template <typename... Args>
void append(std::string& text, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(text), format, std::forward<Args>(args)...);
}

double largest(const HeatTable& table) {
  double most = 0;
  for (const auto& row : table.values) {
    for (const double value : row) {
      if (std::isfinite(value)) most = std::max(most, std::abs(value));
    }
  }
  for (const auto& single : table.singles) {
    if (std::isfinite(single.value)) most = std::max(most, std::abs(single.value));
  }
  return most;
}

/// White to a dark red or blue.
std::string colour(double share) {
  const auto fade = [share](int dark) {
    return static_cast<int>(std::lround(255 + (dark - 255) * std::min(1.0, std::abs(share))));
  };
  return share >= 0 ? fmt::format("rgb({},{},{})", fade(178), fade(24), fade(43))
                    : fmt::format("rgb({},{},{})", fade(33), fade(102), fade(172));
}

/// What all parts of one picture share.
struct Layout {
  std::size_t columns = 1;
  double cell, bottom, height, most;

  explicit Layout(const HeatTable& table) {
    for (const auto& row : table.values) columns = std::max(columns, row.size());
    cell = (kWidth - kLeft - kMargin) / static_cast<double>(columns);
    bottom = kTop + kRow * static_cast<double>(table.rows.size());
    height = bottom + kBottom + kRow * static_cast<double>(table.singles.size());
    most = largest(table);
  }
};

void add_name(std::string& svg, const std::string& name, double y) {
  append(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", kLeft - 8, y + 14,
         escape(name));
}

void add_row(std::string& svg, const HeatTable& table, const Layout& at, std::size_t r) {
  const double y = kTop + kRow * static_cast<double>(r);
  add_name(svg, table.rows[r], y);
  for (std::size_t c = 0; c < table.values[r].size(); ++c) {
    const double value = table.values[r][c], x = kLeft + at.cell * static_cast<double>(c);
    const bool marked = !table.marked.empty() && table.marked[r][c];
    if (std::isfinite(value) && value != 0) {
      append(svg,
             "<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{}\" fill=\"{}\">"
             "<title>{}, {:g}: {:+.4g}{}</title></rect>",
             x, y, at.cell, kRow - 1, colour(value / at.most), escape(table.rows[r]),
             static_cast<double>(c) * table.column_step, value,
             marked ? ", " + escape(table.mark) : "");
    }
    if (marked && at.cell >= kNarrowest) {
      append(svg, "<circle cx=\"{:.2f}\" cy=\"{:.2f}\" r=\"1.6\" fill=\"#222\"/>", x + at.cell / 2,
             y + (kRow - 1) / 2);
    }
  }
}

void add_axis(std::string& svg, const HeatTable& table, const Layout& at) {
  const double end = static_cast<double>(at.columns) * table.column_step;
  const auto ticks = table.rows.empty() ? std::vector<double>{} : nice_ticks(0, end, 8);
  for (const double tick : ticks) {
    append(svg, "<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555\">{:g}</text>",
           kLeft + tick / table.column_step * at.cell, at.bottom + 16, tick);
  }
  const bool dots = !table.marked.empty() && at.cell >= kNarrowest;
  append(svg,
         "<text x=\"{}\" y=\"{}\" fill=\"#555\">{}; red raises the score, blue lowers it, at most "
         "{:.3g}{}</text>\n",
         kMargin, at.bottom + 36, escape(table.columns), at.most,
         dots ? "; dot: " + escape(table.mark) : "");
}

void add_singles(std::string& svg, const HeatTable& table, const Layout& at) {
  double y = at.bottom + kBottom;
  for (const auto& [name, value] : table.singles) {
    add_name(svg, name, y);
    append(svg, "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>", kLeft, y,
           kSingleWidth, kRow - 1, colour(at.most > 0 ? value / at.most : 0));
    append(svg, "<text x=\"{}\" y=\"{}\" fill=\"#555\">{}</text>\n", kLeft + kSingleWidth + 8,
           y + 14, value == 0 ? "0" : fmt::format("{:+.3g}", value));
    y += kRow;
  }
}

}  // namespace

std::string heat_table_svg(const HeatTable& table) {
  const Layout at(table);
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" "
      "font-family=\"sans-serif\" font-size=\"12\"><rect width=\"{0}\" height=\"{1}\" "
      "fill=\"#fff\"/>"
      "<text x=\"14\" y=\"24\" font-size=\"14\" font-weight=\"bold\">{2}</text>",
      kWidth, at.height, escape(table.title));
  for (std::size_t r = 0; r < table.rows.size(); ++r) add_row(svg, table, at, r);
  add_axis(svg, table, at);
  add_singles(svg, table, at);
  return svg + "</svg>\n";
}

}  // namespace salus::report
