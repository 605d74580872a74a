#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include "engine/report/plot.h"

namespace salus::report {
namespace {

template <typename... Args>
void append(std::string& text, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(text), format, std::forward<Args>(args)...);
}

/// The name with at most `most` characters, cut at a UTF-8 boundary.
std::string shorten(const std::string& name, std::size_t most) {
  if (name.size() <= most) return name;
  std::size_t end = most - 1;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) --end;
  return name.substr(0, end) + "\u2026";
}

void add_cell(std::string& svg, double x, double y, double size, double count, double total) {
  const double part = total > 0 ? count / total : 0;
  append(
      svg,
      R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="4" style="fill:rgba(var(--heat),{:.3f});stroke:var(--rule);"/>)",
      x, y, size - 4, size - 4, 0.06 + 0.6 * part);
  const bool large = size > 90;
  append(svg, R"(<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="middle">{:.0f}</text>)",
         large ? "count" : "strong", x + size / 2 - 2, y + size / 2 + (large ? 2 : 0), count);
  append(svg, R"(<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{:.1f} %</text>)",
         x + size / 2 - 2, y + size / 2 + (large ? 22 : 14), 100 * part);
}

struct Range {
  double low, high;
};

/// What a forest plot must show: all intervals and the reference.
Range range_of(const std::vector<ForestRow>& rows, double reference) {
  Range r{INFINITY, -INFINITY};
  const auto include = [&](double v) {
    if (std::isnan(v)) return;
    r.low = std::min(r.low, v);
    r.high = std::max(r.high, v);
  };
  include(reference);
  for (const ForestRow& row : rows) {
    include(row.estimate.value);
    if (row.estimate.interval) {
      include(row.estimate.interval->low);
      include(row.estimate.interval->high);
    }
  }
  const double margin = r.high > r.low ? 0.05 * (r.high - r.low) : 0.05;
  return {r.low - margin, r.high + margin};
}

std::string figure(const evaluate::Estimate& e) {
  if (std::isnan(e.value)) return "absent";
  if (!e.interval) return fmt::format("{:.3f}", e.value);
  return fmt::format("{:.3f} [{:.3f}, {:.3f}]", e.value, e.interval->low, e.interval->high);
}

}  // namespace

std::string confusion_plot(const evaluate::Matrix& counts, const std::vector<std::string>& names) {
  if (counts.empty() || counts.size() != names.size()) return "";
  const double left = 104, top = 58, width = 440;
  const double size = (width - left - 8) / static_cast<double>(names.size());
  const double height = top + size * static_cast<double>(names.size()) + 12;
  const auto room = static_cast<std::size_t>(std::max(4.0, size / 7));
  std::string svg = fmt::format(
      R"(<svg class="plot" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="Confusion matrix">)",
      width, height);
  append(svg, R"(<text class="label" x="{:.1f}" y="18" text-anchor="middle">Called</text>)",
         left + (width - left) / 2);
  append(
      svg,
      R"(<text class="label" transform="translate(14 {:.1f}) rotate(-90) " text-anchor="middle">True</text>)",
      top + (height - top) / 2);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const double at = static_cast<double>(i) * size;
    append(svg, R"(<text class="tick" x="{:.1f}" y="44" text-anchor="middle">{}</text>)",
           left + at + size / 2, escape(shorten(names[i], room)));
    append(svg, R"(<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text>)", left - 8,
           top + at + size / 2 + 4, escape(shorten(names[i], 11)));
    const double total = std::accumulate(counts[i].begin(), counts[i].end(), 0.0);
    for (std::size_t j = 0; j < counts[i].size(); ++j) {
      add_cell(svg, left + static_cast<double>(j) * size, top + at, size, counts[i][j], total);
    }
  }
  return svg + "</svg>";
}

std::string forest_plot(const std::vector<ForestRow>& rows, const std::string& metric,
                        double reference) {
  const Range range = range_of(rows, reference);
  if (rows.empty() || !(range.high > range.low)) return "";
  const double width = 900, row_height = 26, top = 34, left = 250, right = 205;
  const double bottom = top + row_height * static_cast<double>(rows.size());
  const auto px = [&](double v) {
    return left + (v - range.low) / (range.high - range.low) * (width - left - right);
  };
  std::string svg = fmt::format(
      R"(<svg class="plot" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{} by group">)",
      width, bottom + 44, escape(metric));
  append(svg, R"(<text class="legend strong" x="0" y="18">Group</text>)");
  append(svg, R"(<text class="legend strong" x="{:.0f}" y="18" text-anchor="end">n</text>)",
         left - 18);
  append(svg, R"(<text class="legend strong" x="{:.0f}" y="18" text-anchor="end">{}</text>)", width,
         escape(metric + ", interval"));
  for (const double t : nice_ticks(range.low, range.high, 6)) {
    append(svg, R"(<path class="grid" d="M{0:.1f} {1:.1f}V{2:.1f}"/>)", px(t), top - 6, bottom);
    append(svg, R"(<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="middle">{:.4g}</text>)",
           px(t), bottom + 18, std::abs(t) < 1e-12 ? 0.0 : t);
  }
  if (!std::isnan(reference)) {
    append(svg, R"(<path class="line s2 dashed" d="M{:.1f} {:.1f}V{:.1f}"/>)", px(reference),
           top - 6, bottom);
    append(svg,
           R"(<text class="note" x="{:.1f}" y="{:.1f}" text-anchor="middle">all: {:.3f}</text>)",
           px(reference), bottom + 36, reference);
  }
  double y = top + 10;
  for (const ForestRow& row : rows) {
    append(svg, R"(<text x="0" y="{:.1f}">{}</text>)", y + 4, escape(shorten(row.name, 30)));
    append(svg, R"(<text class="tick" x="{:.0f}" y="{:.1f}" text-anchor="end">{}</text>)",
           left - 18, y + 4, row.n);
    append(svg, R"(<text class="tick" x="{:.0f}" y="{:.1f}" text-anchor="end">{}</text>)", width,
           y + 4, figure(row.estimate));
    if (row.estimate.interval) {
      append(svg, R"(<path class="line s1" d="M{:.1f} {:.1f}H{:.1f}"/>)",
             px(row.estimate.interval->low), y, px(row.estimate.interval->high));
    }
    if (!std::isnan(row.estimate.value)) {
      append(svg, R"(<circle class="dot s1" cx="{:.1f}" cy="{:.1f}" r="5"/>)",
             px(row.estimate.value), y);
    }
    y += row_height;
  }
  return svg + "</svg>";
}

}  // namespace salus::report
