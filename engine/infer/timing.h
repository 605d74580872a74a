#pragma once

#include "engine/infer/predict_cases.h"
#include "engine/infer/session.h"

namespace salus::infer {

/// How fast a session scores a dataset, and whether it says the same each time.
struct Timing {
  int passes = 0;
  double cases_per_second =
      0;                      ///< median over passes: files read, transformed and scored in groups
  double latency_ms_p50 = 0;  ///< one case alone, from reading to score
  double latency_ms_p95 = 0;
  double latency_ms_p99 = 0;
  double largest_difference = 0;  ///< of any logit between passes, and alone against in a group
};

/// \param first   a pass that was made already; it counts as one.
/// \param passes  how many in all, at least 1.
/// \param alone   how many cases are also scored one by one for the latencies.
Timing measure(const Session& session, const data::Dataset& dataset, const ScoredCases& first,
               int passes, std::int64_t alone, int threads);

}  // namespace salus::infer
