#pragma once

#include <functional>
#include <map>
#include <string>

#include "engine/core/config.h"
#include "engine/core/registry.h"
#include "engine/evaluate/evaluation.h"
#include "engine/evaluate/operating_point.h"
#include "engine/infer/bundle.h"
#include "engine/infer/predict_cases.h"
#include "engine/train/parts.h"

namespace salus::train {

/// The [evaluate], [accept], [bundle] and [card] tables.
struct PublishConfig {
  evaluate::Calibration::Kind calibration = evaluate::Calibration::Kind::kTemperature;
  std::vector<evaluate::OperatingRule> operating_points;
  evaluate::AlarmTimes alarms;
  infer::Acceptance accepts;
  std::string name;
  std::int64_t micro_batch = 16;
  std::string weights_dtype, compute_dtype;
  std::string intended_use, data, limits;
};

/// \throws UsageError for a bad value.
PublishConfig read_publish_config(const Config& root, const Task& task,
                                  const std::string& default_name);

/// Calibration, one per label (multiclass: one), fitted on logits where the target is known. A
/// label that lacks a class is left uncalibrated, and `warn` is told.
std::vector<evaluate::Calibration> fit_calibrations(
    const Task& task, evaluate::Calibration::Kind kind,
    const std::vector<std::vector<float>>& logits, const evaluate::Matrix& targets,
    const std::function<void(const std::string&)>& warn);

/// Thresholds of every label by every rule, in the order of the rules. One that cannot be reached
/// is left out, and `warn` is told; a label with none gets 0.5. `label_lead` is as in
/// evaluate::StepOptions.
std::vector<infer::OperatingPoint> choose_operating_points(
    const Task& task, const std::vector<evaluate::OperatingRule>& rules,
    const evaluate::Predictions& predictions, double label_lead,
    const std::function<void(const std::string&)>& warn);

/// What complete_bundle() found on cases that were held out.
struct Completed {
  infer::ScoredCases scored;  ///< calibrated
  evaluate::Evaluation evaluation;
};

/// Completes `bundle` (its weights, model, task and transform are set): scores the cases that were held
/// out (score_held_out()) the way it will score all others, fits calibration and operating points on
/// them, and writes metrics.json.
Completed complete_bundle(infer::Bundle& bundle, const PublishConfig& config,
                          const Registry& registry, const Parts& parts, const std::string& device,
                          int threads, const std::function<void(const std::string&)>& warn);

}  // namespace salus::train
