#include "engine/train/fit_estimator.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/torch.h>

#include <filesystem>
#include <optional>

#include "engine/io/error.h"
#include "engine/io/stop_signals.h"
#include "engine/train/logger.h"
#include "engine/train/state.h"
#include "engine/train/validation.h"

namespace salus::train {
namespace {

constexpr std::int64_t kBatch = 64;  ///< cases that are turned into rows at a time
constexpr std::int64_t kSaid = 100;  ///< rounds between two lines on the screen

void refuse_class_weights(const TrainConfig& config) {
  if (!config.loss.balanced && config.loss.class_weights.empty()) return;
  throw UsageError(
      "Boosted trees take no [train.loss] class_weights: leave them out, and choose the operating "
      "point by what a miss and a false alarm cost.");
}

/// Judges the rounds and writes them down.
class Rounds {
 public:
  Rounds(const Task& task, const TrainConfig& config, const TrainerOptions& options,
         const Loss& loss)
      : task_(task), config_(config), options_(options), loss_(loss) {
    if (!options.out_dir.empty()) logger_.emplace(options.out_dir, state.history);
  }

  /// The monitored metric, turned round where less is better.
  double judge(const at::Tensor& logits, const at::Tensor& targets) {
    metrics_ = validation_metrics(task_, loss_, {logits, targets});
    const double value = find_metric(metrics_, config_.monitor);
    return higher_is_better(config_.monitor) ? value : -value;
  }

  bool add(std::int64_t round) {
    EpochRow row{round, round + 1, {}};
    for (const auto& [name, value] : metrics_) row.values.emplace_back("valid_" + name, value);
    state.history.push_back(row);
    state.step = state.epoch = round + 1;
    if (logger_) logger_->append(row);
    if (state.step % kSaid == 0) say(round);
    return (options_.stop && options_.stop(state.step)) || signals_.received() != 0;
  }

  /// The round that is kept.
  void finish(std::int64_t best) {
    const double metric = find_metric(state.history[best].values, "valid_" + config_.monitor);
    state.best = {{best, metric, ""}};
    state.finished = true;
    say(best);
  }

  int signal() const { return signals_.received(); }

  RunState state;

 private:
  void say(std::int64_t round) const {
    const auto& values = state.history[round].values;
    options_.say(fmt::format("round {:>4}  valid loss {:.4f}  {} {:.4f}{}", round + 1,
                             find_metric(values, "valid_loss"), config_.monitor,
                             find_metric(values, "valid_" + config_.monitor),
                             state.finished ? "  best" : ""));
  }

  const Task& task_;
  const TrainConfig& config_;
  const TrainerOptions& options_;
  const Loss& loss_;
  io::StopSignals signals_;
  std::optional<Logger> logger_;
  Metrics metrics_;
};

FitResult boosted(FitResult result) {
  result.boosted = true;
  return result;
}

/// What an earlier run finished, if it did.
std::optional<FitResult> finished_before(const TrainerOptions& options) {
  const auto path = options.out_dir + "/checkpoints/last.safetensors";
  if (!options.resume || options.out_dir.empty() || !std::filesystem::exists(path)) return {};
  const Checkpoint checkpoint = load_checkpoint(path);
  return boosted(result_of(checkpoint.state, checkpoint.part("model."), 0));
}

void save(const RunState& state, const std::map<std::string, at::Tensor>& weights,
          const std::string& out_dir) {
  if (out_dir.empty()) return;
  std::filesystem::create_directories(out_dir + "/checkpoints");
  Checkpoint checkpoint;
  checkpoint.state = state;
  checkpoint.add("model.", weights);
  save_checkpoint(checkpoint, out_dir + "/checkpoints/last.safetensors");
}

}  // namespace

FitResult fit_estimator(Estimator& estimator, Model& model, const Task& task,
                        const TrainConfig& config, const TrainerOptions& options,
                        const Subset& train_part, const Subset& valid_part) {
  require_metric(task, config.monitor);
  refuse_class_weights(config);
  if (auto before = finished_before(options)) return *before;
  Subset train = train_part, valid = valid_part;
  if (options.fast_dev_run) {
    keep_few(train, config.batch_size);
    keep_few(valid, config.batch_size);
  }
  const Samples train_samples(train, at::kCPU, false), valid_samples(valid, at::kCPU, false);
  const Loss loss =
      Loss(task, config.loss, train.dataset->targets(train.positions), at::kCPU).for_validation();
  Rounds rounds(task, config, options, loss);
  EstimatorFit fit{.task = task, .seed = config.seed, .threads = at::get_num_threads()};
  fit.most_rounds = options.fast_dev_run ? 1 : 0;
  fit.train = all_batches(train_samples, kBatch);
  fit.valid = all_batches(valid_samples, kBatch);
  fit.judge = [&](const auto& logits, const auto& targets) {
    return rounds.judge(logits, targets);
  };
  fit.report = [&](std::int64_t round) { return rounds.add(round); };
  const std::int64_t best = estimator.fit(fit);
  if (best < 0) return boosted(result_of(rounds.state, {}, rounds.signal()));
  rounds.finish(best);
  auto weights = snapshot(named_state(model));
  save(rounds.state, weights, options.out_dir);
  return boosted(result_of(rounds.state, std::move(weights), rounds.signal()));
}

}  // namespace salus::train
