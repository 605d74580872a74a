#pragma once

#include <span>
#include <vector>

#include "engine/evaluate/metrics.h"

namespace salus::evaluate {

/// Both scores of the PhysioNet/Computing in Cardiology Challenge 2012 (Silva et al., Computing in
/// Cardiology 39:245, 2012). NaN = absent, see challenge2012_absent_reason().
struct Challenge2012 {
  double event1;  ///< min(sensitivity, PPV) at a threshold: 1 is ideal
  double event2;  ///< range-normalised Hosmer-Lemeshow statistic: 0 is ideal
};
std::span<const MetricField<Challenge2012>> challenge2012_fields();

/// Event 2 as the challenge's lemeshow.m (version 1.4) has it. The cases, sorted by risk p and equal
/// ones in the caller's order, are cut into ten groups of M = floor(N / 10); what remains at the top is
/// left out. With O deaths and mean risk r in a group,
///
///   H = sum over groups of (O - M r)^2 / (M r (1 - r) + 0.001),  score = H / (r_10 - r_1).
///
/// H grows with N, so that only sets of like size compare; the challenge's had 4000 cases.
class Challenge2012Evaluator {
 public:
  /// \param probabilities  in [0, 1].
  /// \param targets        0, 1 or NaN (left out).
  /// \param threshold      of Event 1: positive where the probability is at least this.
  /// \throws Error as sort_cases() does, or if a probability is outside [0, 1].
  Challenge2012Evaluator(const std::vector<double>& probabilities,
                         const std::vector<double>& targets, double threshold);

  Challenge2012 operator()() const;  ///< every weight 1
  /// \param weights  whole numbers by position in the caller's vectors: a case counts so often.
  Challenge2012 operator()(std::span<const double> weights) const;

 private:
  double event2(std::span<const double> weights) const;

  BinaryCases cases_;
  std::vector<std::uint32_t> ascending_;  // positions in cases_, lowest risk first
  double threshold_;
};

/// Why `metric` (a name of challenge2012_fields) is absent on these cases, as a clause.
std::string challenge2012_absent_reason(const std::string& metric, std::size_t positives,
                                        std::size_t negatives);

}  // namespace salus::evaluate
