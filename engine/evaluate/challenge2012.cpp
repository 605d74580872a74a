#include "engine/evaluate/challenge2012.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

namespace salus::evaluate {
namespace {

constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kGroups = 10;

constexpr std::array<MetricField<Challenge2012>, 2> kFields{
    {{"event1", &Challenge2012::event1}, {"event2", &Challenge2012::event2}}};

/// Sums over one group of like risk.
struct Group {
  double risk = 0, deaths = 0;

  double statistic(double size) const {
    const double mean = risk / size;
    const double error = deaths - risk;
    return error * error / (size * mean * (1 - mean) + 0.001);
  }
};

double score(const std::array<Group, kGroups>& groups, double size) {
  const double range = (groups.back().risk - groups.front().risk) / size;
  double sum = 0;
  for (const Group& group : groups) sum += group.statistic(size);
  return range > 0 ? sum / range : kAbsent;
}

}  // namespace

std::span<const MetricField<Challenge2012>> challenge2012_fields() { return kFields; }

Challenge2012Evaluator::Challenge2012Evaluator(const std::vector<double>& probabilities,
                                               const std::vector<double>& targets, double threshold)
    : cases_(sort_cases(probabilities, targets)), ascending_(cases_.size()), threshold_(threshold) {
  require_probabilities(cases_);
  std::iota(ascending_.begin(), ascending_.end(), std::uint32_t{0});
  // Not simply backwards: equal risks stay in the caller's order.
  std::stable_sort(ascending_.begin(), ascending_.end(), [this](std::uint32_t a, std::uint32_t b) {
    return cases_.scores[a] < cases_.scores[b];
  });
}

Challenge2012 Challenge2012Evaluator::operator()() const {
  std::size_t last = 0;
  for (const std::uint32_t i : cases_.index) last = std::max<std::size_t>(last, i);
  const std::vector<double> ones(last + 1, 1.0);
  return (*this)(ones);
}

Challenge2012 Challenge2012Evaluator::operator()(std::span<const double> weights) const {
  return {confusion(cases_, threshold_, weights).event1(), event2(weights)};
}

double Challenge2012Evaluator::event2(std::span<const double> weights) const {
  double total = 0;
  for (const std::uint32_t i : cases_.index) total += weights[i];
  const double size = std::floor(total / kGroups);
  if (size < 1) return kAbsent;
  std::array<Group, kGroups> groups;
  std::size_t g = 0;
  double room = size;  // left in group g
  for (const std::uint32_t i : ascending_) {
    // A case that counts several times may lie in more than one group.
    for (double left = weights[cases_.index[i]]; left > 0;) {
      if (room == 0) {
        if (++g == kGroups) return score(groups, size);
        room = size;
      }
      const double part = std::min(left, room);
      groups[g].risk += part * cases_.scores[i];
      groups[g].deaths += cases_.positive[i] ? part : 0;
      left -= part;
      room -= part;
    }
  }
  return score(groups, size);
}

std::string challenge2012_absent_reason(const std::string& metric, std::size_t positives,
                                        std::size_t negatives) {
  if (metric == "event2") {
    return positives + negatives < kGroups
               ? "there are fewer than ten cases"
               : "the lowest and the highest tenth of the cases have the same risk";
  }
  return positives == 0 ? "no case is positive" : "no case is called positive at this threshold";
}

}  // namespace salus::evaluate
