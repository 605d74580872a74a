#include "engine/train/publish.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/data/source.h"
#include "engine/evaluate/operating_point.h"
#include "engine/infer/alarm_table.h"
#include "engine/io/error.h"
#include "engine/train/held_out.h"

namespace salus::train {
namespace {

using Kind = evaluate::Calibration::Kind;

infer::Acceptance read_acceptance(const Config& table) {
  infer::Acceptance accepts;
  accepts.modalities = table.get_strings("modalities", {});
  accepts.views = table.get_strings("views", {});
  accepts.samples = static_cast<int>(table.get_int("samples", 0));
  if (accepts.samples != 0 && accepts.samples != 1 && accepts.samples != 3) {
    throw UsageError(
        fmt::format("{} must be 1 (grey), 3 (colour) or 0 (any).", table.where("samples")));
  }
  const auto bits = table.get_doubles("bits", {0, 0});
  if (bits.size() != 2 || bits[0] > bits[1]) {
    throw UsageError(fmt::format("{} must be [min, max] of BitsStored.", table.where("bits")));
  }
  accepts.min_bits = static_cast<int>(bits[0]);
  accepts.max_bits = static_cast<int>(bits[1]);
  accepts.unit = table.get_string("unit", "");
  accepts.refuse = table.get_bool("refuse", true);
  return accepts;
}

/// Keys that an image model does not have: there they are unknown.
evaluate::AlarmTimes read_alarms(const Config& root) {
  if (data::modality_of(root.table("transform")) != Modality::kVitals) return {};
  const Config table = root.table("evaluate");
  const evaluate::AlarmTimes times = infer::read_alarms(table);
  const std::string problem = evaluate::problem_of(times);
  if (problem.empty()) return times;
  const char* key = times.longest_lead > 0 ? "refractory" : "longest_lead";
  throw UsageError(fmt::format("{}: {}", table.where(key), problem));
}

/// Cases of one label whose target is known.
struct Known {
  std::vector<double> logits;
  std::vector<int> labels;
};

Known known_cases(const std::vector<std::vector<float>>& logits, const evaluate::Matrix& targets,
                  std::size_t label) {
  Known known;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(targets[i][label])) continue;
    known.logits.push_back(logits[i][label]);
    known.labels.push_back(targets[i][label] > 0.5 ? 1 : 0);
  }
  return known;
}

evaluate::Calibration fit_softmax(const std::vector<std::vector<float>>& logits,
                                  const evaluate::Matrix& targets) {
  std::vector<std::vector<double>> rows;
  std::vector<int> classes;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(targets[i][0])) continue;
    rows.emplace_back(logits[i].begin(), logits[i].end());
    const auto best = std::max_element(targets[i].begin(), targets[i].end());
    classes.push_back(static_cast<int>(best - targets[i].begin()));
  }
  evaluate::Calibration calibration;
  calibration.kind = Kind::kTemperature;
  calibration.temperature = evaluate::fit_softmax_temperature(rows, classes);
  return calibration;
}

/// What will be stored in bfloat16 is rounded now, so that the scores are those of the stored
/// model.
void round_weights(infer::Bundle& bundle) {
  if (bundle.weights_dtype != "bfloat16") return;
  for (auto& [name, tensor] : bundle.weights) {
    if (tensor.is_floating_point()) tensor = tensor.to(at::kBFloat16).to(tensor.scalar_type());
  }
}

/// Replaces the probabilities by those of a session with another calibration.
void calibrate(infer::ScoredCases& scored, const infer::Session& session) {
  const auto labels = static_cast<std::int64_t>(scored.predictions.labels.size());
  std::vector<float> flat;
  for (const auto& row : scored.logits) flat.insert(flat.end(), row.begin(), row.end());
  const auto logits = at::tensor(flat, at::kFloat).view({-1, labels});
  const auto probabilities = session.probabilities(logits).to(at::kDouble).contiguous();
  const double* values = probabilities.const_data_ptr<double>();
  for (auto& row : scored.predictions.probabilities) {
    row.assign(values, values + labels);
    values += labels;
  }
}

}  // namespace

PublishConfig read_publish_config(const Config& root, const Task& task,
                                  const std::string& default_name) {
  PublishConfig config;
  const Config table = root.table("evaluate");
  const bool regression = task.kind == TaskKind::kRegression;
  const auto kind = table.get_choice("calibration", {"none", "temperature", "platt", "isotonic"},
                                     regression ? "none" : "temperature");
  config.calibration = evaluate::parse_calibration_kind(kind);
  const bool per_label =
      config.calibration == Kind::kPlatt || config.calibration == Kind::kIsotonic;
  if ((regression && config.calibration != Kind::kNone) ||
      (task.kind == TaskKind::kMulticlass && per_label)) {
    throw UsageError(fmt::format("{} = \"{}\" does not fit a {} task.", table.where("calibration"),
                                 kind, to_string(task.kind)));
  }
  const std::vector<std::string> rules = regression || task.kind == TaskKind::kMulticlass
                                             ? std::vector<std::string>{}
                                             : std::vector<std::string>{"youden"};
  for (const auto& rule : table.get_strings("operating_points", rules)) {
    config.operating_points.push_back(evaluate::parse_operating_rule(rule));
  }
  config.alarms = read_alarms(root);
  config.accepts = read_acceptance(root.table("accept"));
  const Config bundle = root.table("bundle");
  config.name = bundle.get_string("name", default_name);
  config.micro_batch = bundle.get_int("micro_batch", 16);
  if (config.micro_batch < 1) {
    throw UsageError(fmt::format("{} must be at least 1.", bundle.where("micro_batch")));
  }
  config.weights_dtype = bundle.get_choice("weights", {"float32", "bfloat16"}, "float32");
  config.compute_dtype = bundle.get_choice("compute", {"float32", "bfloat16"}, "float32");
  const Config card = root.table("card");
  config.intended_use = card.get_string(
      "intended_use",
      "Research and development. Not a medical device; not for clinical decisions.");
  config.data = card.get_string("data", "");
  config.limits = card.get_string("limits", "");
  return config;
}

std::vector<evaluate::Calibration> fit_calibrations(
    const Task& task, Kind kind, const std::vector<std::vector<float>>& logits,
    const evaluate::Matrix& targets, const std::function<void(const std::string&)>& warn) {
  if (task.kind == TaskKind::kMulticlass) {
    if (kind == Kind::kNone) return {evaluate::Calibration{}};
    return {fit_softmax(logits, targets)};
  }
  if (task.kind == TaskKind::kRegression) return {};
  std::vector<evaluate::Calibration> calibrations(task.labels.size());
  if (kind == Kind::kNone) return calibrations;
  for (std::size_t i = 0; i < task.labels.size(); ++i) {
    const Known known = known_cases(logits, targets, i);
    try {
      calibrations[i] = evaluate::fit_calibration(kind, known.logits, known.labels);
    } catch (const Error& error) {
      warn(fmt::format("Warning: \"{}\" is not calibrated: {}", task.labels[i], error.what()));
    }
  }
  return calibrations;
}

std::vector<infer::OperatingPoint> choose_operating_points(
    const Task& task, const std::vector<evaluate::OperatingRule>& rules,
    const evaluate::Predictions& predictions, double label_lead,
    const std::function<void(const std::string&)>& warn) {
  std::vector<infer::OperatingPoint> points;
  if (task.kind == TaskKind::kRegression || task.kind == TaskKind::kMulticlass) return points;
  for (std::size_t i = 0; i < task.labels.size(); ++i) {
    const auto before = points.size();
    for (const auto& rule : rules) {
      try {
        const auto chosen = evaluate::choose_threshold(rule, predictions, i, label_lead);
        points.push_back({chosen.name, task.labels[i], chosen.threshold});
      } catch (const Error& error) {
        warn(fmt::format("Warning: \"{}\" has no operating point {}: {}", task.labels[i],
                         rule.name(), error.what()));
      }
    }
    if (points.size() == before) points.push_back({"threshold=0.5", task.labels[i], 0.5});
  }
  return points;
}

Completed complete_bundle(infer::Bundle& bundle, const PublishConfig& config,
                          const Registry& registry, const Parts& parts, const std::string& device,
                          int threads, const std::function<void(const std::string&)>& warn) {
  bundle.name = config.name;
  bundle.accepts = config.accepts;
  bundle.alarms = config.alarms;
  bundle.micro_batch = config.micro_batch;
  bundle.weights_dtype = config.weights_dtype;
  bundle.compute_dtype = config.compute_dtype;
  round_weights(bundle);
  bundle.calibration = fit_calibrations(bundle.task, Kind::kNone, {}, {}, warn);
  auto scored = score_held_out(bundle, parts, registry, device, threads);
  bundle.calibration = fit_calibrations(bundle.task, config.calibration, scored.logits,
                                        scored.predictions.targets, warn);
  calibrate(scored, infer::Session(bundle, registry, device));
  bundle.operating_points =
      choose_operating_points(bundle.task, config.operating_points, scored.predictions,
                              infer::evaluation_options(bundle).steps.label_lead, warn);
  auto evaluation = evaluate::evaluate(scored.predictions, infer::evaluation_options(bundle));
  nlohmann::ordered_json metrics;
  metrics["validation"] = nlohmann::ordered_json::parse(evaluate::to_json(evaluation));
  bundle.metrics_json = metrics.dump(2) + "\n";
  return {std::move(scored), std::move(evaluation)};
}

}  // namespace salus::train
