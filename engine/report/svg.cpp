#include "engine/report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>

namespace salus::report {
namespace {

/// Bytes of the well-formed UTF-8 sequence at `i`, 0 if there is none.
std::size_t utf8_length(const std::string& s, std::size_t i) {
  const auto byte = [&](std::size_t k) {
    return k < s.size() ? static_cast<unsigned char>(s[k]) : 0u;
  };
  const unsigned first = byte(i);
  const std::size_t n = first < 0x80   ? 1
                        : first < 0xC2 ? 0
                        : first < 0xE0 ? 2
                        : first < 0xF0 ? 3
                        : first < 0xF5 ? 4
                                       : 0;
  for (std::size_t k = 1; k < n; ++k) {
    if ((byte(i + k) & 0xC0) != 0x80) return 0;
  }
  const unsigned second = byte(i + 1);
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool outside = (first == 0xED && second > 0x9F) || (first == 0xF4 && second > 0x8F);
  return overlong || outside ? 0 : n;
}

std::string tick_text(const Axis& axis, double value) {
  if (axis.format == "percent") return fmt::format("{:g} %", std::round(value * 1000) / 10);
  return fmt::format(fmt::runtime(axis.format), value == 0 ? 0.0 : value);  // no "-0"
}

bool is_finite(const std::array<double, 2>& p) {
  return std::isfinite(p[0]) && std::isfinite(p[1]);
}

template <typename... Args>
void append(std::string& text, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(text), format, std::forward<Args>(args)...);
}

}  // namespace

std::string escape(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t n = utf8_length(text, i);
    if (n == 0) {
      out += "\xEF\xBF\xBD";  // U+FFFD
      ++i;
      continue;
    }
    const char c = text[i];
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\'') {
      out += "&#39;";
    } else if (n > 1 || static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t') {
      out.append(text, i, n);
    }
    i += n;
  }
  return out;
}

std::vector<double> nice_ticks(double low, double high, int count) {
  if (!(high > low)) return {low};
  const double raw = (high - low) / std::max(count, 1);
  const double power = std::pow(10, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double m : {5.0, 2.0, 1.0}) {
    if (m * power >= raw * 0.999) step = m * power;
  }
  std::vector<double> ticks;
  for (double k = std::ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; ++k) {
    ticks.push_back(k * step + 0.0);  // + 0.0 turns -0 into 0
  }
  return ticks;
}

Chart::Chart(double width, double height, Axis x, Axis y, const std::string& description)
    : width_(width),
      height_(height),
      x_(std::move(x)),
      y_(std::move(y)),
      description_(description) {
  draw_axes();
}

double Chart::px(double x) const {
  return left_ + (x - x_.low) / (x_.high - x_.low) * (width_ - left_ - right_);
}

double Chart::py(double y) const {
  return height_ - bottom_ - (y - y_.low) / (y_.high - y_.low) * (height_ - top_ - bottom_);
}

void Chart::draw_axes() {
  const double x0 = left_, x1 = width_ - right_, y0 = height_ - bottom_, y1 = top_;
  for (const double t : y_.ticks) {
    append(axes_, R"(<path class="grid" d="M{:.1f} {:.1f}H{:.1f}"/>)", x0, py(t), x1);
    append(axes_, R"(<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text>)", x0 - 7,
           py(t) + 4, escape(tick_text(y_, t)));
  }
  for (const double t : x_.ticks) {
    append(axes_, R"(<path class="grid" d="M{:.1f} {:.1f}V{:.1f}"/>)", px(t), y0, y1);
    append(axes_, R"(<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>)",
           px(t), y0 + 17, escape(tick_text(x_, t)));
  }
  append(axes_, R"(<path class="axis" d="M{:.1f} {:.1f}V{:.1f}H{:.1f}"/>)", x0, y1, y0, x1);
  append(axes_, R"(<text class="label" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>)",
         (x0 + x1) / 2, height_ - 8, escape(x_.label));
  append(
      axes_,
      R"(<text class="label" transform="translate(14 {:.1f}) rotate(-90) " text-anchor="middle">{}</text>)",
      (y0 + y1) / 2, escape(y_.label));
}

void Chart::line(const Points& points, const std::string& style) {
  std::string path;
  bool pen_down = false;
  for (const auto& p : points) {
    if (is_finite(p)) append(path, "{}{:.2f} {:.2f}", pen_down ? "L" : "M", px(p[0]), py(p[1]));
    pen_down = is_finite(p);
  }
  append(body_, R"(<path class="line {}" d="{}"/>)", style, path);
}

void Chart::band(const std::vector<double>& x, const std::vector<double>& low,
                 const std::vector<double>& high, const std::string& style) {
  std::string path;
  for (std::size_t i = 0; i < x.size(); ++i) {
    append(path, "{}{:.2f} {:.2f}", i == 0 ? "M" : "L", px(x[i]), py(high[i]));
  }
  for (std::size_t i = x.size(); i-- > 0;) append(path, "L{:.2f} {:.2f}", px(x[i]), py(low[i]));
  append(body_, R"(<path class="band {}" d="{}Z"/>)", style, path);
}

void Chart::bar(double x0, double x1, double y0, double y1, const std::string& style) {
  append(body_, R"(<rect class="bar {}" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}"/>)",
         style, px(x0), py(std::max(y0, y1)), std::max(px(x1) - px(x0), 0.0),
         std::abs(py(y0) - py(y1)));
}

void Chart::dot(double x, double y, double radius, const std::string& style) {
  append(over_, R"(<circle class="dot {}" cx="{:.2f}" cy="{:.2f}" r="{:.1f}"/>)", style, px(x),
         py(y), radius);
}

void Chart::segment(double x0, double y0, double x1, double y1, const std::string& style) {
  append(body_, R"(<path class="line {}" d="M{:.2f} {:.2f}L{:.2f} {:.2f}"/>)", style, px(x0),
         py(y0), px(x1), py(y1));
}

void Chart::note(double x, double y, double dx, double dy, const std::string& text,
                 const std::string& anchor, const std::string& style) {
  append(over_, R"(<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>)", style,
         px(x) + dx, py(y) + dy, anchor, escape(text));
}

void Chart::legend(const std::vector<std::array<std::string, 2>>& entries) {
  double x = left_;
  for (const auto& [style, text] : entries) {
    append(over_, R"(<rect class="key {}" x="{:.1f}" y="9" width="12" height="12" rx="3"/>)", style,
           x);
    append(over_, R"(<text class="legend" x="{:.1f}" y="19">{}</text>)", x + 17, escape(text));
    x += 17 + 6.4 * static_cast<double>(text.size()) + 18;
  }
}

std::string Chart::svg() const {
  return fmt::format(
      R"(<svg class="plot" viewBox="0 0 {0:.0f} {1:.0f}" role="img" aria-label="{2}">{3}{4}{5}</svg>)",
      width_, height_, escape(description_), axes_, body_, over_);
}

const char* plot_style() {
  return R"(:root{color-scheme:light dark;--paper:#ffffff;--page:#f4f6f9;--ink:#17212e;--soft:#556372;
--rule:#dde3ea;--s1:#1d63c4;--s2:#c4560a;--s3:#0b7a6b;--s4:#7a3fd0;--heat:29,99,196}
@media (prefers-color-scheme:dark){:root{--paper:#161d26;--page:#0e141b;--ink:#e8edf3;--soft:#a3b0be;
--rule:#2c3743;--s1:#6aa5f8;--s2:#f29a4e;--s3:#4cc9b5;--s4:#b794f6;--heat:106,165,248}}
.plot{display:block;width:100%;height:auto;font-family:system-ui,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
.plot text{fill:var(--ink);font-size:12px}.plot .tick,.plot .legend,.plot .note{fill:var(--soft)}
.plot .label{font-size:12.5px}.plot .strong{font-weight:600}.plot .count{font-size:22px;font-weight:650}
.plot .axis{fill:none;stroke:var(--soft);stroke-width:1}.plot .grid{fill:none;stroke:var(--rule);stroke-width:1}
.plot .line{fill:none;stroke:currentColor;stroke-width:2.2;stroke-linejoin:round}
.plot .thin{stroke-width:1.5}.plot .dashed{stroke-dasharray:5 5;stroke-width:1.4}
.plot .band{fill:currentColor;opacity:.17;stroke:none}.plot .bar{fill:currentColor;opacity:.62}
.plot .key{fill:currentColor}.plot .dot{fill:currentColor;stroke:var(--paper);stroke-width:1.6}
.plot .s1{color:var(--s1)}.plot .s2{color:var(--s2)}.plot .s3{color:var(--s3)}.plot .s4{color:var(--s4)}
.plot .faint{color:var(--soft)}.plot .ink{color:var(--ink)}.plot .light{opacity:.3})";
}

std::string standalone(const std::string& svg) {
  const std::string open = "<svg ";
  std::string file = svg;
  file.replace(0, open.size(), "<svg xmlns=\"http://www.w3.org/2000/svg\" ");
  const std::size_t end = file.find('>') + 1;
  file.insert(end, fmt::format("<style>{}svg{{background:var(--paper)}}</style>", plot_style()));
  return file + "\n";
}

}  // namespace salus::report
