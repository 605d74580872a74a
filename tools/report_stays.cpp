#include "tools/report_stays.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <map>

#include "engine/data/stay_transform.h"
#include "engine/evaluate/alarms.h"
#include "engine/evaluate/stays.h"

namespace salus::tools {
namespace {

constexpr std::size_t kEach = 2;
constexpr std::int64_t kVariables = 4;

enum Kind { kDetected, kMissed, kFalseAlarm, kKinds, kQuiet = kKinds };
constexpr std::array<const char*, kKinds> kNames = {"Detected", "Missed", "False alarm"};

Kind kind_of(bool positive, bool alarmed) {
  if (positive) return alarmed ? kDetected : kMissed;
  return alarmed ? kFalseAlarm : kQuiet;
}

/// What is said of a stay.
struct Verdict {
  Kind kind = kQuiet;
  std::vector<double> alarms = {};  ///< hours; of labels a step
  double onset = std::nan("");      ///< hour; of labels a step
};

using Verdicts = std::map<std::string, Verdict>;  ///< by id

/// Of labels a step: a stay is detected by an alarm in time.
Verdicts verdicts_of_steps(const evaluate::Predictions& rows, const evaluate::StepOptions& steps,
                           double threshold) {
  const auto patient = evaluate::patient_numbers(rows.patients, rows.targets.size());
  const auto stays = evaluate::split_stays(rows, patient, 0, steps.label_lead);
  auto each = evaluate::stay_alarms(stays, {threshold, steps.alarms});
  Verdicts verdicts;
  for (std::size_t s = 0; s < each.size(); ++s) {
    const bool alarmed = each[s].positive ? !std::isnan(each[s].lead) : !each[s].alarms.empty();
    verdicts[rows.ids[stays.row[stays.offsets[s]]]] = {kind_of(each[s].positive, alarmed),
                                                       std::move(each[s].alarms), stays.onset[s]};
  }
  return verdicts;
}

/// Of one label a stay, by the score of the whole stay.
Verdicts verdicts_of_stays(const evaluate::Predictions& rows, double threshold) {
  Verdicts verdicts;
  for (std::size_t i = 0; i < rows.ids.size(); ++i) {
    const double target = rows.targets[i][0];
    if (std::isnan(target)) continue;
    verdicts[rows.ids[i]] = {kind_of(target == 1, rows.probabilities[i][0] >= threshold)};
  }
  return verdicts;
}

/// The stay cut after each of its steps, one case each.
Batch prefixes(const Batch& stay, std::int64_t steps) {
  Batch cut = repeated(stay, steps);
  cut.inputs["length"] = at::arange(1, steps + 1, at::kLong);
  return cut;
}

report::Points risk_over_time(const infer::Session& session, const Batch& stay, double hours) {
  const auto steps = stay.inputs.at("length").item<std::int64_t>();
  if (steps == 0) return {};
  const bool per_step = session.bundle().model.per_step;
  report::Points risk;
  for (const auto& said : session.predict(per_step ? stay : prefixes(stay, steps))) {
    risk.push_back({static_cast<double>(risk.size()) * hours, said.probabilities[0]});
  }
  return risk;
}

std::vector<double> alarms_of(const report::Points& risk, const evaluate::AlarmRule& rule) {
  std::vector<double> hours, probabilities, alarms;
  for (const auto& [hour, value] : risk) {
    hours.push_back(hour);
    probabilities.push_back(value);
  }
  for (const auto step : evaluate::alarm_steps(hours, probabilities, rule)) {
    alarms.push_back(hours[step]);
  }
  return alarms;
}

/// The variables that were observed most often.
std::vector<report::ReportStay::Variable> observed(const Batch& stay,
                                                   const data::StayTransform& transform) {
  const at::Tensor values = stay.inputs.at("values")[0], mask = stay.inputs.at("mask")[0];
  const auto often = mask.sum(0).argsort(/*dim=*/0, /*descending=*/true);
  std::vector<report::ReportStay::Variable> out;
  for (std::int64_t i = 0; i < std::min(kVariables, often.size(0)); ++i) {
    const auto d = often[i].item<std::int64_t>();
    report::ReportStay::Variable variable{
        transform.variables().variables()[static_cast<std::size_t>(d)].name, {}};
    for (std::int64_t t = 0; t < values.size(0); ++t) {
      if (mask[t][d].item<float>() == 0) continue;
      variable.observed.push_back(
          {static_cast<double>(t) * transform.step(), values[t][d].item<double>()});
    }
    if (!variable.observed.empty()) out.push_back(std::move(variable));
  }
  return out;
}

report::ReportStay describe(const infer::Session& session, const data::Dataset& dataset,
                            const data::StayTransform& transform, std::int64_t position,
                            double threshold) {
  const Batch stay = dataset.load({position});
  report::ReportStay out;
  out.id = dataset.info(position).id;
  out.label = session.bundle().task.labels[0];
  out.threshold = threshold;
  out.risk = risk_over_time(session, stay, transform.step());
  out.variables = observed(stay, transform);
  return out;
}

}  // namespace

std::vector<report::ReportStay> report_stays(const infer::ScoredCases& scored,
                                             const evaluate::StepOptions& steps,
                                             const infer::Session& session,
                                             const data::Dataset& dataset) {
  const auto& bundle = session.bundle();
  const infer::OperatingPoint* point = bundle.operating_point(bundle.task.labels[0]);
  if (bundle.model.modality != Modality::kVitals || point == nullptr) return {};
  const bool per_step = bundle.model.per_step;
  const evaluate::AlarmRule rule{point->threshold, steps.alarms};
  const data::StayTransform transform = bundle.stay_transform();
  auto verdicts = per_step ? verdicts_of_steps(scored.predictions, steps, rule.threshold)
                           : verdicts_of_stays(scored.predictions, rule.threshold);
  std::array<std::vector<report::ReportStay>, kKinds> chosen;
  for (std::int64_t position = 0; position < dataset.size(); ++position) {
    Verdict& verdict = verdicts[dataset.info(position).id];
    if (verdict.kind == kQuiet || chosen[verdict.kind].size() == kEach) continue;
    auto& stay = chosen[verdict.kind].emplace_back(
        describe(session, dataset, transform, position, rule.threshold));
    stay.kind = kNames[verdict.kind];
    stay.onset = verdict.onset;
    stay.alarms = per_step ? std::move(verdict.alarms) : alarms_of(stay.risk, rule);
  }
  std::vector<report::ReportStay> stays;
  for (auto& kind : chosen) std::move(kind.begin(), kind.end(), std::back_inserter(stays));
  return stays;
}

}  // namespace salus::tools
