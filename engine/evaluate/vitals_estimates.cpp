#include <cmath>

#include "engine/evaluate/alarms.h"
#include "engine/evaluate/challenge2012.h"
#include "engine/evaluate/job.h"
#include "engine/evaluate/sepsis_utility.h"

namespace salus::evaluate {

std::vector<Estimate> estimate_challenge2012(const Question& q, double threshold,
                                             const EvaluationOptions& options) {
  std::vector<Estimate> estimates;
  if (q.targets.empty()) {
    for (const auto& field : challenge2012_fields()) {
      estimates.push_back({field.name, std::nan(""), std::nullopt, ""});
    }
  } else {
    const Challenge2012Evaluator evaluator(q.probabilities, q.targets, threshold);
    estimates = estimate_fields<Challenge2012>(
        challenge2012_fields(), resampler(q),
        [&](std::span<const double> weights) { return evaluator(weights); }, options, "");
  }
  const std::size_t positives = q.positives();
  for (Estimate& e : estimates) {
    if (!std::isnan(e.value)) continue;
    e.absent_because = challenge2012_absent_reason(e.name, positives, q.targets.size() - positives);
  }
  return estimates;
}

void add_stays(const Job& job, std::size_t label, LabelResult& result) {
  const StepOptions& steps = job.options.steps;
  const Stays stays = split_stays(job.p, job.patient, label, steps.label_lead);
  result.stays = stays.size();
  result.positive_stays = stays.positives();
  for (OperatingResult& at : result.operating_points) {
    const AlarmRule rule{at.point.threshold, steps.alarms};
    at.stays = {
        estimate_utility(stays, at.point.threshold, job.options.resampling, job.options.level)};
    for (Estimate& e : estimate_alarms(stays, rule, job.options)) at.stays.push_back(std::move(e));
  }
  result.metrics.push_back(result.operating_points.front().stays.front());
}

}  // namespace salus::evaluate
