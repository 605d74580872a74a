#include "tools/report_stays.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "engine/data/stay_transform.h"

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

/// Whether the stay whose rows are [begin, end) is positive and called so at the threshold.
Kind classify(const evaluate::Predictions& rows, std::size_t begin, std::size_t end,
              double threshold) {
  bool positive = false, alarmed = false;
  for (std::size_t i = begin; i < end; ++i) {
    positive = positive || rows.targets[i][0] == 1;
    alarmed = alarmed || rows.probabilities[i][0] >= threshold;
  }
  return kind_of(positive, alarmed);
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

/// The hours at which the risk rises to the threshold.
std::vector<double> alarms_of(const report::Points& risk, double threshold) {
  std::vector<double> alarms;
  bool above = false;
  for (const auto& [hour, value] : risk) {
    if (value >= threshold && !above) alarms.push_back(hour);
    above = value >= threshold;
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

/// The hour of the onset by the first label of a stay's steps [T], NaN if none is positive: that of the
/// first positive step or, where positive steps come before the onset, of what lies behind the last.
double onset_of(const at::Tensor& labels, const data::StayTransform& transform) {
  const at::Tensor positive = labels.eq(1).nonzero();
  if (positive.size(0) == 0) return std::nan("");
  const auto& asked = transform.targets().onset;
  const auto hours = [&](std::int64_t i) {
    return static_cast<double>(positive[i][0].item<std::int64_t>()) * transform.step();
  };
  if (!asked) return hours(0);
  if (asked->after == data::OnsetSpec::After::kPositive) return hours(0) + asked->horizons[0];
  return hours(-1) + transform.step();
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
  out.alarms = alarms_of(out.risk, threshold);
  out.variables = observed(stay, transform);
  if (stay.target.dim() < 3) return out;
  out.onset = onset_of(stay.target[0].select(1, 0), transform);
  return out;
}

}  // namespace

std::vector<report::ReportStay> report_stays(const infer::ScoredCases& scored,
                                             const infer::Session& session,
                                             const data::Dataset& dataset) {
  const auto& bundle = session.bundle();
  const infer::OperatingPoint* point = bundle.operating_point(bundle.task.labels[0]);
  if (bundle.model.modality != Modality::kVitals || point == nullptr) return {};
  const double threshold = point->threshold;
  const data::StayTransform transform = bundle.stay_transform();
  const auto& rows = scored.predictions;
  std::array<std::vector<std::int64_t>, kKinds> chosen;
  std::size_t begin = 0;
  for (std::int64_t position = 0; position < dataset.size() && begin < rows.ids.size();
       ++position) {
    std::size_t end = begin;
    while (end < rows.ids.size() && rows.ids[end] == dataset.info(position).id) ++end;
    const Kind kind = end > begin ? classify(rows, begin, end, threshold) : kQuiet;
    if (kind != kQuiet && chosen[kind].size() < kEach) chosen[kind].push_back(position);
    begin = end;
  }
  std::vector<report::ReportStay> stays;
  for (int kind = 0; kind < kKinds; ++kind) {
    for (const auto position : chosen[static_cast<std::size_t>(kind)]) {
      stays.push_back(describe(session, dataset, transform, position, threshold));
      stays.back().kind = kNames[static_cast<std::size_t>(kind)];
    }
  }
  return stays;
}

}  // namespace salus::tools
