#include <ATen/Context.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "engine/io/error.h"
#include "engine/train/state.h"
#include "engine/train/trainer_impl.h"

namespace salus::train {
namespace {

at::Tensor generator_state(const at::Device& device) {
  auto generator = at::globalContext().defaultGenerator(device);
  std::lock_guard lock(generator.mutex());
  return generator.get_state();
}

void set_generator_state(const at::Device& device, const at::Tensor& state) {
  auto generator = at::globalContext().defaultGenerator(device);
  std::lock_guard lock(generator.mutex());
  generator.set_state(state);
}

/// Whether `a` is a better value than `b`; NaN is never better.
bool better(double a, double b, bool higher) {
  if (std::isnan(a)) return false;
  return std::isnan(b) || (higher ? a > b : a < b);
}

}  // namespace

std::string Trainer::Impl::checkpoint_path(const std::string& file) const {
  return options.out_dir + "/checkpoints/" + file;
}

void Trainer::Impl::save() {
  watch->check();  // a NaN must never reach a checkpoint
  if (!writes()) return;
  std::filesystem::create_directories(options.out_dir + "/checkpoints");
  Checkpoint checkpoint;
  state.schedule = schedule->state();
  checkpoint.state = state;
  checkpoint.add("model.", named_state(*model));
  checkpoint.add("optimizer.", step->optimizer().state());
  if (step->ema()) checkpoint.add("ema.", step->ema()->state());
  if (step->scaler()) checkpoint.add("scaler.", step->scaler()->state());
  checkpoint.tensors["rng.cpu"] = generator_state(at::kCPU);
  if (device.is_cuda()) checkpoint.tensors["rng.cuda"] = generator_state(device);
  checkpoint.tensors["loss_sums"] = watch->sums();
  save_checkpoint(checkpoint, checkpoint_path("last.safetensors"));
  drop_obsolete();
}

void Trainer::Impl::restore() {
  const auto path = checkpoint_path("last.safetensors");
  if (!std::filesystem::exists(path)) return;  // nothing was saved yet: the beginning is the place
  const Checkpoint checkpoint = load_checkpoint(path);
  if (checkpoint.state.cases != state.cases || checkpoint.state.batch_size != state.batch_size) {
    throw Error(fmt::format(
        "{} is of a run over {} cases in batches of {}, but this one has {} in batches of {}: it "
        "cannot go on from there.",
        path, checkpoint.state.cases, checkpoint.state.batch_size, state.cases, state.batch_size));
  }
  copy_into(named_state(*model), checkpoint.part("model."), "weight");
  step->optimizer().load_state(checkpoint.part("optimizer."));
  if (step->ema()) step->ema()->load_state(checkpoint.part("ema."));
  if (step->scaler()) {
    copy_into(step->scaler()->state(), checkpoint.part("scaler."), "scaler state");
  }
  set_generator_state(at::kCPU, checkpoint.tensors.at("rng.cpu"));
  if (device.is_cuda() && checkpoint.tensors.contains("rng.cuda")) {
    set_generator_state(device, checkpoint.tensors.at("rng.cuda"));
  }
  watch->set_sums(checkpoint.tensors.at("loss_sums"));
  state = checkpoint.state;
  schedule->set_state(state.schedule);
  if (!state.best.empty()) best_weights = load_weights(checkpoint_path(state.best[0].file));
  options.say(fmt::format("Resumed at epoch {}, batch {} (step {}).", state.epoch + 1, state.batch,
                          state.step));
}

bool Trainer::Impl::keep_if_best(double metric) {
  const bool higher = higher_is_better(config.monitor);
  auto& best = state.best;
  const auto place = std::find_if(best.begin(), best.end(), [&](const BestEntry& entry) {
    return config.keep_last || better(metric, entry.metric, higher);
  });
  const bool is_best = place == best.begin();
  const bool room = static_cast<std::int64_t>(best.size()) < config.checkpoints.best;
  if (place == best.end() && !room) return false;
  auto weights = snapshot(step->ema() ? step->ema()->state() : named_state(*model));
  const BestEntry entry{state.epoch, metric, fmt::format("best-{:04}.safetensors", state.epoch)};
  if (writes()) {
    std::filesystem::create_directories(options.out_dir + "/checkpoints");
    save_weights(weights, checkpoint_path(entry.file));
  }
  if (is_best) best_weights = std::move(weights);
  best.insert(place, entry);
  if (static_cast<std::int64_t>(best.size()) > config.checkpoints.best) {
    obsolete.push_back(best.back().file);
    best.pop_back();
  }
  return is_best;
}

bool Trainer::Impl::should_stop_early(double metric) {
  if (config.early_stopping.patience == 0) return false;
  const double delta = config.early_stopping.min_delta;
  const bool higher = higher_is_better(config.monitor);
  const double bar_to_pass = higher ? state.early_best + delta : state.early_best - delta;
  if (!std::isnan(metric) && (!state.has_early_best || better(metric, bar_to_pass, higher))) {
    state.early_best = metric;
    state.has_early_best = true;
    state.early_bad_epochs = 0;
    return false;
  }
  return ++state.early_bad_epochs >= config.early_stopping.patience;
}

void Trainer::Impl::drop_obsolete() {
  for (const std::string& file : obsolete) {
    std::error_code ignored;  // a file that stays is only in the way
    if (writes()) std::filesystem::remove(checkpoint_path(file), ignored);
  }
  obsolete.clear();
}

FitResult Trainer::Impl::result() const {
  FitResult result = result_of(state, best_weights, stop_signal);
  result.stopped_early = stopped_early;
  return result;
}

FitResult result_of(const RunState& state, std::map<std::string, at::Tensor> weights, int signal) {
  FitResult result;
  result.finished = state.finished;
  result.signal = signal;
  result.steps = state.step;
  result.history = state.history;
  result.best_weights = std::move(weights);
  if (!state.best.empty()) {
    result.best_epoch = state.best[0].epoch;
    result.best_metric = state.best[0].metric;
  }
  return result;
}

}  // namespace salus::train
