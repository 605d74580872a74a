#pragma once

#include <cstddef>
#include <vector>

#include "engine/evaluate/bootstrap.h"
#include "engine/evaluate/metrics.h"

namespace salus::evaluate {

struct RocPoint {
  double fpr = 0, tpr = 0;
  double threshold = 0;  ///< the point's decision is score >= threshold; the first one is infinite
};
/// From (0, 0) to (1, 1); points inside a straight run are left out, which changes no area.
/// Empty if a class is absent.
std::vector<RocPoint> roc_curve(const BinaryCases& cases);

struct PrPoint {
  double recall = 0, precision = 1;
  double threshold = 0;
};
/// By rising recall, one point per distinct score, beginning at recall 0 with the precision of the
/// highest score. Empty if no case is positive.
std::vector<PrPoint> pr_curve(const BinaryCases& cases);

/// One bin of a reliability diagram.
struct ReliabilityBin {
  double low = 0, high = 1;  ///< of the predicted probability
  std::size_t n = 0;
  double predicted = 0;          ///< mean probability of its cases; NaN if empty
  double observed = 0;           ///< share of positives; NaN if empty
  double low95 = 0, high95 = 1;  ///< Wilson interval of `observed`; NaN if empty
};
/// Equal-width bins [k/bins, (k+1)/bins), the last one closed.
std::vector<ReliabilityBin> reliability(const BinaryCases& cases, int bins = 10);

/// Counts of scores by class in equal-width bins over [0, 1].
struct ScoreHistogram {
  std::vector<std::size_t> positives, negatives;
};
ScoreHistogram score_histogram(const BinaryCases& cases, int bins = 25);

/// Pointwise confidence band of a ROC curve on an even grid of false-positive rates.
struct RocBand {
  std::vector<double> fpr, low, high;
};
/// Patient bootstrap as for the metrics. Empty if a class is absent or `replicates` is 0.
RocBand roc_band(const BinaryCases& cases, const PatientBootstrap& patients,
                 const ResamplingOptions& options, double level = 0.95);

}  // namespace salus::evaluate
