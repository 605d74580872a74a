#include "engine/infer/timing.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace salus::infer {
namespace {

/// The value below which `fraction` of the values lie (nearest rank).
double percentile(std::vector<double> values, double fraction) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<std::size_t>(std::ceil(fraction * values.size()));
  return values[std::min(values.size() - 1, rank > 0 ? rank - 1 : 0)];
}

double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - b[i]));
  }
  return largest;
}

}  // namespace

Timing measure(const Session& session, const data::Dataset& dataset, const ScoredCases& first,
               int passes, std::int64_t alone, int threads) {
  Timing timing;
  timing.passes = passes;
  const auto cases = static_cast<double>(dataset.size());
  std::vector<double> rates{cases / first.seconds};
  for (int pass = 1; pass < passes; ++pass) {
    const auto again = predict_cases(session, dataset, threads);
    rates.push_back(cases / again.seconds);
    for (std::size_t i = 0; i < again.logits.size(); ++i) {
      timing.largest_difference =
          std::max(timing.largest_difference, difference(first.logits[i], again.logits[i]));
    }
  }
  timing.cases_per_second = percentile(rates, 0.5);
  std::vector<double> latencies;
  std::size_t row = 0;
  for (std::int64_t i = 0; i < std::min(alone, dataset.size()); ++i) {
    const auto start = std::chrono::steady_clock::now();
    const auto scored = predict_case(session, dataset, i);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    latencies.push_back(took.count());
    for (const auto& prediction : scored) {
      timing.largest_difference =
          std::max(timing.largest_difference, difference(first.logits[row++], prediction.logits));
    }
  }
  timing.latency_ms_p50 = percentile(latencies, 0.50);
  timing.latency_ms_p95 = percentile(latencies, 0.95);
  timing.latency_ms_p99 = percentile(latencies, 0.99);
  return timing;
}

}  // namespace salus::infer
