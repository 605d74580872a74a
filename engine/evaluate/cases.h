#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace salus::evaluate {

/// The cases of one yes/no question, sorted once by falling score; every ranking metric is then one
/// pass. Cases whose target is NaN (not known) are left out and counted.
struct BinaryCases {
  std::vector<double> scores;          ///< falling
  std::vector<std::uint8_t> positive;  ///< 1 where the target is 1
  std::vector<std::uint32_t> index;    ///< position of the case in the caller's vectors
  std::size_t positives = 0;
  std::size_t masked = 0;  ///< cases left out because their target is NaN

  std::size_t size() const { return scores.size(); }
  std::size_t negatives() const { return size() - positives; }
  bool has_both_classes() const { return positives > 0 && negatives() > 0; }
  /// True if case i is the last of its run of equal scores.
  bool ends_tie(std::size_t i) const { return i + 1 == size() || scores[i + 1] != scores[i]; }
};

/// \param scores   any real numbers; a higher one means more likely positive. Infinite ones are
///                 allowed. May be NaN where the target is.
/// \param targets  0, 1, or NaN where not known.
/// \throws Error naming the row (counted from 0) of a NaN score or a target that is none of these,
///         or if the lengths differ.
BinaryCases sort_cases(const std::vector<double>& scores, const std::vector<double>& targets);

/// \throws Error naming the first known row whose score is outside [0, 1].
void require_probabilities(const BinaryCases& cases);

/// 0/1 labels as targets.
std::vector<double> to_targets(const std::vector<int>& labels);

}  // namespace salus::evaluate
