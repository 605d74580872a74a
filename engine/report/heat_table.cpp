#include "engine/report/heat_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "engine/report/svg.h"

namespace salus::report {
namespace {

constexpr double kLeft = 150, kTop = 44, kRow = 20, kBottom = 46, kWidth = 720;

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

}  // namespace

std::string heat_table_svg(const HeatTable& table) {
  std::size_t columns = 1;
  for (const auto& row : table.values) columns = std::max(columns, row.size());
  const double cell = (kWidth - kLeft - 14) / static_cast<double>(columns);
  const double bottom = kTop + kRow * static_cast<double>(table.rows.size());
  const double most = largest(table);
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" "
      "font-family=\"sans-serif\" font-size=\"12\"><rect width=\"{0}\" height=\"{1}\" "
      "fill=\"#fff\"/>"
      "<text x=\"14\" y=\"24\" font-size=\"14\" font-weight=\"bold\">{2}</text>",
      kWidth, bottom + kBottom, escape(table.title));
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    const double y = kTop + kRow * static_cast<double>(r);
    append(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", kLeft - 8, y + 14,
           escape(table.rows[r]));
    for (std::size_t c = 0; c < table.values[r].size(); ++c) {
      const double value = table.values[r][c];
      if (!std::isfinite(value) || value == 0) continue;
      append(svg,
             "<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{}\" fill=\"{}\">"
             "<title>{}, {:g}: {:+.4g}</title></rect>",
             kLeft + cell * static_cast<double>(c), y, cell, kRow - 1, colour(value / most),
             escape(table.rows[r]), static_cast<double>(c) * table.column_step, value);
    }
  }
  const double end = static_cast<double>(columns) * table.column_step;
  for (const double tick : nice_ticks(0, end, 8)) {
    append(svg, "<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555\">{:g}</text>",
           kLeft + tick / table.column_step * cell, bottom + 16, tick);
  }
  append(svg,
         "<text x=\"{}\" y=\"{}\" fill=\"#555\">{}; red raises the score, blue lowers it, at most "
         "{:.3g}</text></svg>\n",
         kLeft, bottom + 36, escape(table.columns), most);
  return svg;
}

}  // namespace salus::report
