#pragma once

#include <array>
#include <string>
#include <vector>

namespace salus::report {

/// Escapes &, <, >, " and '; drops control characters that XML forbids and replaces malformed
/// UTF-8, so that any file name is safe in a report.
std::string escape(const std::string& text);

struct Axis {
  std::string label;
  double low = 0, high = 1;
  std::vector<double> ticks;
  std::string format = "{:g}";  ///< of a tick: "{:g}", "{:.0%}" is written "percent"
};

/// Ticks at 1, 2 or 5 times a power of ten within [low, high], about `count` of them.
std::vector<double> nice_ticks(double low, double high, int count = 5);

using Points = std::vector<std::array<double, 2>>;

/// A plot with two axes, as inline SVG. Colours are CSS classes ("s1".."s4" for series, "ink",
/// "faint", ...) that plot_style() defines for light and dark pages; there is no script.
/// Points are in data units; those that are not finite break a line.
class Chart {
 public:
  /// \param description  what a screen reader says of the plot.
  Chart(double width, double height, Axis x, Axis y, const std::string& description);

  void line(const Points& points, const std::string& style);
  void band(const std::vector<double>& x, const std::vector<double>& low,
            const std::vector<double>& high, const std::string& style);
  void bar(double x0, double x1, double y0, double y1, const std::string& style);
  void dot(double x, double y, double radius, const std::string& style);
  void segment(double x0, double y0, double x1, double y1, const std::string& style);
  /// Text beside a point; `dx`, `dy` in pixels; anchor "start", "middle" or "end".
  void note(double x, double y, double dx, double dy, const std::string& text,
            const std::string& anchor = "start", const std::string& style = "note");
  /// One entry per series, in a row above the plot area.
  void legend(const std::vector<std::array<std::string, 2>>& style_and_text);
  std::string svg() const;

 private:
  double px(double x) const;
  double py(double y) const;
  void draw_axes();

  double width_, height_;
  double left_ = 58, right_ = 14, top_ = 30, bottom_ = 46;
  Axis x_, y_;
  std::string description_, axes_, body_, over_;
};

/// CSS of the classes used by plots: light, and dark where the reader's system asks for it.
const char* plot_style();

/// The same picture as a file of its own, with its style inside.
std::string standalone(const std::string& svg);

}  // namespace salus::report
