#include "engine/report/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace salus::report {
namespace {

constexpr double kWidth = 440, kHeight = 380;
constexpr std::size_t kMaxPoints = 400;

Axis share(const std::string& label) { return {label, 0, 1, {0, 0.2, 0.4, 0.6, 0.8, 1}, "{:.1f}"}; }

/// At most kMaxPoints of a long curve; both ends stay.
Points thin(const Points& points) {
  const std::size_t step = points.size() / kMaxPoints + 1;
  Points kept;
  for (std::size_t i = 0; i < points.size(); i += step) kept.push_back(points[i]);
  if (!points.empty() && kept.back() != points.back()) kept.push_back(points.back());
  return kept;
}

std::string figure(const evaluate::Estimate* e) {
  if (e == nullptr || std::isnan(e->value)) return "";
  if (!e->interval) return fmt::format("{:.3f}", e->value);
  return fmt::format("{:.3f} [{:.3f}, {:.3f}]", e->value, e->interval->low, e->interval->high);
}

double value_of(const std::vector<evaluate::Estimate>& metrics, const char* name) {
  const evaluate::Estimate* e = evaluate::find(metrics, name);
  return e == nullptr ? std::nan("") : e->value;
}

double prevalence(const evaluate::LabelResult& label) {
  return static_cast<double>(label.positives) / static_cast<double>(label.n);
}

const char* series_style(std::size_t i) {
  static const char* const kStyles[] = {"s1", "s2", "s3", "s4"};
  return kStyles[i % 4];
}

}  // namespace

std::string roc_plot(const evaluate::LabelResult& label) {
  if (label.roc.empty()) return "";
  Chart chart(kWidth, kHeight, share("1 \u2212 specificity"), share("Sensitivity"),
              "ROC curve of " + label.label);
  if (!label.roc_band.fpr.empty()) {
    chart.band(label.roc_band.fpr, label.roc_band.low, label.roc_band.high, "s1");
  }
  chart.segment(0, 0, 1, 1, "faint dashed");
  Points points;
  for (const auto& p : label.roc) points.push_back({p.fpr, p.tpr});
  chart.line(thin(points), "s1");
  for (const auto& op : label.operating_points) {
    const double x = 1 - op.confusion.specificity(), y = op.confusion.sensitivity();
    chart.dot(x, y, 5.5, "s2");
    chart.note(x, y, 10, 14, op.point.name);
  }
  chart.legend({{"s1", "ROC, with interval"}, {"s2", "operating point"}});
  chart.note(1, 0, -6, -12, "AUROC " + figure(evaluate::find(label.metrics, "auroc")), "end",
             "strong");
  return chart.svg();
}

std::string pr_plot(const evaluate::LabelResult& label) {
  if (label.pr.empty() || label.positives == label.n) return "";
  Chart chart(kWidth, kHeight, share("Recall (sensitivity)"), share("Precision (PPV)"),
              "Precision-recall curve of " + label.label);
  const double base = prevalence(label);
  chart.segment(0, base, 1, base, "faint dashed");
  chart.note(0, base, 6, base > 0.85 ? 16 : -6, fmt::format("prevalence {:.3f}", base));
  Points points;
  for (const auto& p : label.pr) {
    // Precision holds from the last recall on: a staircase, as the area is summed.
    if (!points.empty()) points.push_back({points.back()[0], p.precision});
    points.push_back({p.recall, p.precision});
  }
  chart.line(points.size() > 4 * kMaxPoints ? thin(points) : points, "s1");
  for (const auto& op : label.operating_points) {
    chart.dot(op.confusion.sensitivity(), op.confusion.ppv(), 5.5, "s2");
  }
  chart.legend({{"s1", "precision-recall"}, {"s2", "operating point"}});
  // Of a rare finding it stands on the line of the prevalence, not across it.
  chart.note(1, base < 0.15 ? base : 0, -6, -12,
             "AUPRC " + figure(evaluate::find(label.metrics, "auprc")), "end", "strong");
  return chart.svg();
}

std::string reliability_plot(const evaluate::LabelResult& label) {
  std::size_t most = 0;
  for (const auto& bin : label.reliability) most = std::max(most, bin.n);
  if (most == 0) return "";
  Chart chart(kWidth, kHeight, share("Predicted probability"), share("Observed share"),
              "Reliability of " + label.label);
  Points points;
  for (const auto& bin : label.reliability) {
    // Bars stand in the lowest fifth of the plot.
    const double height = 0.2 * static_cast<double>(bin.n) / static_cast<double>(most);
    chart.bar(bin.low + 0.004, bin.high - 0.004, 0, height, "faint light");
    if (bin.n > 0) points.push_back({bin.predicted, bin.observed});
  }
  chart.segment(0, 0, 1, 1, "faint dashed");
  for (const auto& bin : label.reliability) {
    if (bin.n == 0) continue;
    chart.segment(bin.predicted, bin.low95, bin.predicted, bin.high95, "s1 thin");
    chart.dot(bin.predicted, bin.observed, 4.5, "s1");
  }
  chart.line(points, "s1");
  chart.legend({{"s1", "observed, 95 % interval"}, {"faint", "cases per bin"}});
  chart.note(0, 1, 8, 16, fmt::format("ECE {:.3f}", value_of(label.metrics, "ece")), "start",
             "strong");
  const double slope = value_of(label.metrics, "calibration_slope");
  if (!std::isnan(slope)) chart.note(0, 1, 8, 33, fmt::format("slope {:.2f}", slope));
  return chart.svg();
}

std::string histogram_plot(const evaluate::LabelResult& label) {
  const auto& h = label.histogram;
  if (label.n == 0 || h.positives.empty()) return "";
  const double bins = static_cast<double>(h.positives.size());
  const double positives = std::max<double>(1, static_cast<double>(label.positives));
  const double negatives = std::max<double>(1, static_cast<double>(label.n - label.positives));
  double top = 0;
  for (std::size_t b = 0; b < h.positives.size(); ++b) {
    top = std::max({top, static_cast<double>(h.positives[b]) / positives,
                    static_cast<double>(h.negatives[b]) / negatives});
  }
  Axis y{"Share of the class", 0, top * 1.08, nice_ticks(0, top * 1.08, 5), "percent"};
  Chart chart(kWidth, kHeight, share("Predicted probability"), y, "Scores of " + label.label);
  for (std::size_t b = 0; b < h.positives.size(); ++b) {
    const double x0 = static_cast<double>(b) / bins, x1 = static_cast<double>(b + 1) / bins;
    chart.bar(x0, x1, 0, static_cast<double>(h.negatives[b]) / negatives, "s1");
    chart.bar(x0, x1, 0, static_cast<double>(h.positives[b]) / positives, "s2");
  }
  if (!label.operating_points.empty()) {
    const auto& point = label.operating_points[0].point;
    chart.segment(point.threshold, 0, point.threshold, y.high, "ink dashed");
    const bool right = point.threshold > 0.6;
    chart.note(point.threshold, y.high, right ? -6 : 6, 14, fmt::format("{:.3f}", point.threshold),
               right ? "end" : "start");
  }
  chart.legend({{"s1", fmt::format("without (n = {})", label.n - label.positives)},
                {"s2", fmt::format("with (n = {})", label.positives)}});
  return chart.svg();
}

std::string confusion_plot(const evaluate::LabelResult& label) {
  const auto& c = label.confusion;
  if (c.n() == 0) return "";
  return confusion_plot({{c.tn, c.fp}, {c.fn, c.tp}}, {"negative", "positive"});
}

std::string scatter_plot(const evaluate::LabelResult& label) {
  if (label.scatter.empty()) return "";
  double low = label.scatter[0][0], high = low;
  for (const auto& p : label.scatter) {
    low = std::min({low, p[0], p[1]});
    high = std::max({high, p[0], p[1]});
  }
  const double margin = high > low ? 0.04 * (high - low) : 1;
  low -= margin;
  high += margin;
  Chart chart(kWidth, kHeight, {"Target", low, high, nice_ticks(low, high), "{:g}"},
              {"Prediction", low, high, nice_ticks(low, high), "{:g}"},
              "Predictions of " + label.label);
  chart.segment(low, low, high, high, "faint dashed");
  for (const auto& p : label.scatter) chart.dot(p[0], p[1], 3, "s1");
  chart.note(low, high, 8, 16, "MAE " + figure(evaluate::find(label.metrics, "mae")), "start",
             "strong");
  return chart.svg();
}

std::string training_plot(const std::vector<Series>& series, const std::string& y_label) {
  double low = INFINITY, high = -INFINITY;
  std::size_t epochs = 0;
  for (const Series& s : series) {
    epochs = std::max(epochs, s.values.size());
    for (const double v : s.values) {
      if (!std::isfinite(v)) continue;
      low = std::min(low, v);
      high = std::max(high, v);
    }
  }
  if (!(high >= low)) return "";
  const double margin = high > low ? 0.06 * (high - low) : 0.5;
  Axis y{y_label, low - margin, high + margin, nice_ticks(low - margin, high + margin), "{:g}"};
  const double last = static_cast<double>(std::max<std::size_t>(epochs, 2));
  Axis x{"Epoch", 1, last, nice_ticks(1, last, 6), "{:g}"};
  std::erase_if(x.ticks, [](double t) { return t != std::floor(t); });
  Chart chart(kWidth, kHeight, x, y, y_label + " over epochs");
  std::vector<std::array<std::string, 2>> legend;
  for (std::size_t i = 0; i < series.size(); ++i) {
    Points points;
    for (std::size_t e = 0; e < series[i].values.size(); ++e) {
      points.push_back({static_cast<double>(e + 1), series[i].values[e]});
    }
    chart.line(points, series_style(i));
    if (points.size() == 1) chart.dot(points[0][0], points[0][1], 4, series_style(i));
    legend.push_back({series_style(i), series[i].name});
  }
  chart.legend(legend);
  return chart.svg();
}

}  // namespace salus::report
