#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "engine/evaluate/compare.h"
#include "engine/evaluate/evaluation.h"
#include "engine/report/plot.h"
#include "engine/report/stay_plot.h"

namespace salus::report {

/// A case shown with its picture.
struct ReportCase {
  std::string id;  ///< as the caller named the case
  std::string label;
  double score = 0, target = 0;
  std::vector<std::byte> png;      ///< picture; empty = none
  std::vector<std::byte> heatmap;  ///< picture with a heatmap over it; empty = none
};

struct TrainingCurve {
  std::string y_label;  ///< "Loss", "AUROC"
  std::vector<Series> series;
};

using Facts = std::vector<std::pair<std::string, std::string>>;  ///< name and value, in order

struct ReportData {
  std::string title;     ///< "pneumonia-28"
  std::string subtitle;  ///< what was evaluated on what
  evaluate::Evaluation evaluation;
  std::vector<TrainingCurve> training;
  std::string compared_with;  ///< name of the second model
  std::vector<evaluate::Comparison> comparisons;
  std::vector<ReportCase> worst;    ///< worst first
  std::vector<ReportStay> stays;    ///< of vital signs: a few, over time
  Facts performance;                ///< throughput, latency, stability
  Facts provenance;                 ///< command, bundle, data hash, versions, date
  std::vector<std::string> limits;  ///< whole sentences: what the figures do not show
};

/// One self-contained page: CSS, SVG and pictures inline, no script, nothing from a network. Parts
/// without data are left out. All text of the caller is escaped.
std::string to_html(const ReportData& data);

/// Writes the page atomically. \throws Error naming the path.
void write_report(const std::string& path, const ReportData& data);

}  // namespace salus::report
