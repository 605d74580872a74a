#include "engine/evaluate/cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/io/error.h"

namespace salus::evaluate {
namespace {

void check_row(double score, double target, std::size_t row) {
  if (target != 0 && target != 1) {
    throw Error(fmt::format("The target of case {} is {}; a yes/no target must be 0, 1 or NaN.",
                            row, target));
  }
  if (std::isnan(score)) {
    throw Error(
        fmt::format("The score of case {} is NaN; check the model's outputs, or mask the case with "
                    "a NaN target.",
                    row));
  }
}

}  // namespace

BinaryCases sort_cases(const std::vector<double>& scores, const std::vector<double>& targets) {
  if (scores.size() != targets.size()) {
    throw Error(fmt::format("There are {} scores but {} targets; give one target per score.",
                            scores.size(), targets.size()));
  }
  BinaryCases cases;
  cases.index.reserve(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (std::isnan(targets[i])) {
      ++cases.masked;
      continue;
    }
    check_row(scores[i], targets[i], i);
    cases.index.push_back(static_cast<std::uint32_t>(i));
  }
  // Stable, so that the order within a tie, and with it every rounding, follows the input.
  std::stable_sort(cases.index.begin(), cases.index.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return scores[a] > scores[b]; });
  for (const std::uint32_t i : cases.index) {
    cases.scores.push_back(scores[i]);
    cases.positive.push_back(targets[i] == 1);
    cases.positives += targets[i] == 1;
  }
  return cases;
}

void require_probabilities(const BinaryCases& cases) {
  if (cases.size() == 0) return;
  const std::size_t last = cases.size() - 1;
  const std::size_t bad = cases.scores[0] > 1 ? 0 : last;
  if (cases.scores[bad] >= 0 && cases.scores[bad] <= 1) return;
  throw Error(
      fmt::format("The probability of case {} is {}; probabilities must lie in [0, 1]. Apply the "
                  "sigmoid or the "
                  "bundle's calibration first.",
                  cases.index[bad], cases.scores[bad]));
}

std::vector<double> to_targets(const std::vector<int>& labels) {
  return {labels.begin(), labels.end()};
}

}  // namespace salus::evaluate
