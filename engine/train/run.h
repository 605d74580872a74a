#pragma once

#include <functional>
#include <string>

#include "engine/core/config.h"
#include "engine/core/registry.h"

namespace salus::train {

struct RunOptions {
  /// data.root, train.init_weights and transform.variables in it are relative to its folder; "" = the working directory.
  std::string config_path;
  std::string out_dir;  ///< "" = runs/ and the configuration's name
  bool resume = false;
  bool fast_dev_run = false;  ///< one batch of training and validation, then all that follows
  std::string device = "cpu";
  int threads = 0;                              ///< 0 = as many as the process may use
  std::function<bool(std::int64_t step)> stop;  ///< see TrainerOptions
  std::function<void(const std::string&)> say;  ///< one line per event; default: stderr
};

struct RunResult {
  bool finished = false;  ///< false: stopped, to be resumed
  int signal = 0;         ///< SIGTERM or SIGINT if that stopped it
  std::string out_dir;
  std::string bundle;            ///< path; "" if not finished
  std::int64_t best_epoch = -1;  ///< of an ensemble, as the metric: the first member's
  std::string monitor;
  double best_metric = 0;
  std::string weights_hash;  ///< SHA-256 of the best weights, of all members
};

/// Trains what a configuration says and writes a folder that tells all of it:
/// config.toml (resolved), environment.json, log.csv, log.jsonl, TensorBoard events, checkpoints/,
/// predictions.csv (of the held-out fold, with [data.split] fold) and bundle/.
///
///   [task]      kind = "binary"; labels = ["pneumonia"]
///   [data]      see data::read_cases or data::StaySource, and read_parts
///   [transform] see data::Transform and, for modality = "vitals", data::StayTransform
///   [model]     name = "resnet18"; init options of the architecture
///   [train], [augment]  see TrainConfig
///   [[member]]  of an ensemble, see read_members()
///   [evaluate]  calibration = "temperature" (platt, isotonic, none);
///               operating_points = ["youden"]; the first is the default;
///               of vital signs, in hours: refractory = 0, in which a stay raises no second alarm,
///               and longest_lead, before which an alarm is not of the onset (evaluate::AlarmTimes)
///   [accept]    modalities, views, samples, bits = [min, max], unit, refuse
///   [bundle]    name, micro_batch = 16, weights = "float32" (bfloat16), compute = "float32"
///   [card]      intended_use, data, limits
///
/// Calibration and operating points are fitted on the validation part only, on the scores that the
/// finished bundle gives.
///
/// \throws UsageError for the configuration; Error for data, and as Trainer::fit does. A folder
/// that
///         already holds a run is refused unless `resume`; then the configuration must be the same.
RunResult train_run(Config& config, const Registry& registry, const RunOptions& options);

}  // namespace salus::train
