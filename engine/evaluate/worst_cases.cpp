#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/evaluate/evaluation.h"
#include "engine/io/error.h"

namespace salus::evaluate {
namespace {

double loss_of(TaskKind task, double score, double target) {
  if (task == TaskKind::kRegression) return std::abs(score - target);
  constexpr double kClip = std::numeric_limits<double>::epsilon();
  return -std::log(std::clamp(target == 1 ? score : 1 - score, kClip, 1.0));
}

}  // namespace

std::vector<WorstCase> worst_cases(const Predictions& predictions, std::size_t label,
                                   std::size_t count) {
  if (label >= predictions.labels.size())
    throw Error("The worst cases of no label were asked for.");
  std::vector<WorstCase> cases;
  for (std::size_t i = 0; i < predictions.targets.size(); ++i) {
    const double target = predictions.targets[i][label];
    const double score = predictions.probabilities[i][label];
    if (std::isnan(target)) continue;
    cases.push_back({i, predictions.ids.empty() ? "" : predictions.ids[i], score, target,
                     loss_of(predictions.task, score, target)});
  }
  const std::size_t kept = std::min(count, cases.size());
  std::partial_sort(cases.begin(), cases.begin() + static_cast<std::ptrdiff_t>(kept), cases.end(),
                    [](const WorstCase& a, const WorstCase& b) {
                      return a.loss != b.loss ? a.loss > b.loss : a.index < b.index;
                    });
  cases.resize(kept);
  return cases;
}

}  // namespace salus::evaluate
