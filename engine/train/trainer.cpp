#include "engine/train/trainer.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "engine/core/memory.h"
#include "engine/io/error.h"
#include "engine/io/say.h"
#include "engine/train/precision.h"
#include "engine/train/trainer_impl.h"
#include "engine/train/validation.h"

namespace salus::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Batches of an epoch. A last batch of one case is left out: batch normalisation has no variance.
std::int64_t count_batches(std::int64_t cases, const TrainConfig& config) {
  const auto full = cases / config.batch_size, rest = cases % config.batch_size;
  if (full == 0) return 1;
  return full + (rest > 1 && !config.drop_last ? 1 : 0);
}

}  // namespace

Trainer::Impl::Impl(std::shared_ptr<Model> network, const Task& what, const TrainConfig& how,
                    TrainerOptions with)
    : model(std::move(network)),
      task(what),
      config(how),
      options(std::move(with)),
      device(open_device(options.device)) {
  require_metric(task, config.monitor);
  if (device.is_cpu()) keep_memory();
  if (!options.say) options.say = io::say_on_stderr;
  if (options.fast_dev_run) config.epochs = 1;
}

void Trainer::Impl::begin(Subset train_part, Subset valid_part) {
  if (options.fast_dev_run) {
    keep_few(train_part, config.batch_size);
    keep_few(valid_part, config.batch_size);
  }
  state = {};
  state.cases = train_part.size();
  state.batch_size = config.batch_size;
  batches = count_batches(train_part.size(), config);
  const auto steps = (batches + config.accumulate - 1) / config.accumulate;
  schedule.emplace(config.schedule, steps, config.epochs);
  prepare_model(*model, device, config.channels_last);
  Loss loss(task, config.loss, train_part.dataset->targets(train_part.positions), device);
  train.emplace(std::move(train_part), device, config.channels_last);
  // A resumed run reads the same from its checkpoint.
  model->fit_statistics(all_batches(*train, config.batch_size));
  step.emplace(*model, std::move(loss), config, device);
  watch.emplace(device, [dataset = train->subset().dataset](std::int64_t position) {
    return dataset->info(position).id;
  });
  valid.emplace(std::move(valid_part), device, config.channels_last);
  signals.emplace();
  if (options.resume && !options.fast_dev_run) restore();
  if (writes()) logger.emplace(options.out_dir, state.history);
}

FitResult Trainer::Impl::fit(Subset train_part, Subset valid_part) {
  try {
    begin(std::move(train_part), std::move(valid_part));
    while (!state.finished) {
      if (!run_epoch()) {
        bar.finish();
        options.say(fmt::format("Stopped after step {} as asked.{}", state.step,
                                writes() ? " Go on with --resume." : ""));
        save();
        break;
      }
      end_epoch();
    }
  } catch (const c10::OutOfMemoryError& error) {
    bar.finish();
    explain_out_of_memory(error.what_without_backtrace());
  }
  stop_signal = signals ? signals->received() : 0;
  signals.reset();
  logger.reset();
  return result();
}

bool Trainer::Impl::stop_requested() const {
  const bool asked = options.stop && options.stop(state.step);
  return asked || signals->received() != 0;
}

bool Trainer::Impl::run_epoch() {
  const auto start = Clock::now();
  const double before = state.epoch_seconds;
  const data::Sampler sampler{config.sampler, config.seed, config.bucket ? config.batch_size : 0,
                              config.sampler_weights};
  const Subset& subset = train->subset();
  auto order = sampler.epoch(*subset.dataset, subset.positions, state.epoch);
  order.resize(std::min<std::size_t>(order.size(), batches * config.batch_size));
  epoch_cases = static_cast<std::int64_t>(order.size());
  Augmentation how{config.augment, config.seed, state.epoch};
  if (!config.channel_mean.empty()) {  // else the images are not normalised
    how.mean = config.channel_mean;
    how.stddev = config.channel_stddev;
  }
  const auto stream = train->stream(order, state.batch * config.batch_size, config.batch_size,
                                    config.augments ? &how : nullptr);
  step->train_mode();
  bar.start(fmt::format("epoch {}/{}", state.epoch + 1, config.epochs),
            static_cast<std::int64_t>(order.size()));
  while (state.batch < batches) {
    run_step(*stream);
    state.epoch_seconds = before + seconds_since(start);
    bar.update(std::min<std::int64_t>(state.batch * config.batch_size, order.size()));
    if (stop_requested()) return false;
  }
  watch->check();  // waits for the device: the time below is that of the work
  state.epoch_seconds = before + seconds_since(start);
  return true;
}

void Trainer::Impl::run_step(BatchStream& stream) {
  const auto window = std::min(config.accumulate, batches - state.batch);
  const std::int64_t first = state.batch * config.batch_size;
  const std::int64_t count = std::min(window * config.batch_size, epoch_cases - first);
  for (std::int64_t i = 0; i < window; ++i) {
    SampleBatch item;
    TORCH_CHECK(stream.next(item), "an epoch has fewer batches than it was planned for");
    // A short last batch counts by its cases, as it would in one batch of them all.
    const double share = static_cast<double>(item.positions.size()) / static_cast<double>(count);
    const auto loss = step->backward(item.batch, share, state.step * config.accumulate + i);
    watch->add(loss, item.positions, state.epoch, state.batch + i);
  }
  step->update(config.optimizer.lr * schedule->factor(state.step), state.step);
  ++state.step;
  state.batch += window;
}

Metrics Trainer::Impl::validate() {
  const EmaScope scope(step->ema());
  const auto scores = score(*model, *valid, config.batch_size, device, config.precision);
  return validation_metrics(task, step->loss().for_validation(), scores);
}

EpochRow Trainer::Impl::make_row(const Metrics& metrics) const {
  EpochRow row{state.epoch, state.step, {}};
  row.values.emplace_back("lr", config.optimizer.lr * schedule->factor(state.step - 1));
  row.values.emplace_back("train_loss", watch->mean());
  for (const auto& [name, value] : metrics) row.values.emplace_back("valid_" + name, value);
  const auto cases = std::min(batches * config.batch_size, state.cases);
  row.values.emplace_back("seconds", state.epoch_seconds);
  row.values.emplace_back("cases_per_second",
                          static_cast<double>(cases) / std::max(1e-9, state.epoch_seconds));
  return row;
}

void Trainer::Impl::announce(const EpochRow& row, bool best) const {
  std::string line = fmt::format(
      "epoch {:>3}/{}  train loss {:.4f}  valid loss {:.4f}", row.epoch + 1, config.epochs,
      find_metric(row.values, "train_loss"), find_metric(row.values, "valid_loss"));
  if (config.monitor != "loss") {
    line += fmt::format("  {} {:.4f}", config.monitor,
                        find_metric(row.values, "valid_" + config.monitor));
  }
  options.say(fmt::format("{}  {:.0f} cases/s{}", line, find_metric(row.values, "cases_per_second"),
                          best ? "  best" : ""));
}

void Trainer::Impl::end_epoch() {
  bar.finish();
  const Metrics metrics = validate();
  const EpochRow row = make_row(metrics);
  const double metric = find_metric(metrics, config.monitor);
  schedule->epoch_end(metric, higher_is_better(config.monitor));
  const bool best = keep_if_best(metric);
  stopped_early = should_stop_early(metric);
  state.history.push_back(row);
  state.seconds += state.epoch_seconds;
  state.epoch_seconds = 0;
  state.batch = 0;
  ++state.epoch;
  watch->reset();
  state.finished = stopped_early || state.epoch >= config.epochs;
  if (state.finished || state.epoch % config.checkpoints.every == 0) save();
  if (logger) logger->append(row);
  announce(row, best);
  if (stopped_early) {
    options.say(fmt::format("Stopped early: {} did not improve for {} epochs.", config.monitor,
                            config.early_stopping.patience));
  }
}

void Trainer::Impl::explain_out_of_memory(const std::string& reason) {
  const std::string first_line = reason.substr(0, reason.find('\n'));
  const auto fits = [&](std::int64_t batch_size) {
    try {
      step->optimizer().zero_grad();
      if (device.is_cuda()) c10::getDeviceAllocator(at::kCUDA)->emptyCache();
      const auto stream = train->stream(train->subset().positions, 0, batch_size, nullptr);
      SampleBatch item;
      stream->next(item);
      step->backward(item.batch, 1, 0);
      return true;
    } catch (const c10::OutOfMemoryError&) {
      return false;
    }
  };
  std::int64_t size = step && train ? config.batch_size / 2 : 0;
  while (size > 0 && !fits(size)) size /= 2;
  if (size == 0) {
    throw Error(
        fmt::format("The device's memory does not suffice, not even for a batch of one. "
                    "Choose a smaller model or transform.size. ({})",
                    first_line));
  }
  const auto accumulate = config.accumulate * ((config.batch_size + size - 1) / size);
  throw Error(fmt::format(
      "The device's memory does not suffice for train.batch_size = {}. A batch of {} fits: set "
      "train.batch_size={} train.accumulate={} for steps over as many cases. ({})",
      config.batch_size, size, size, accumulate, first_line));
}

Trainer::Trainer(std::shared_ptr<Model> model, const Task& task, const TrainConfig& config,
                 TrainerOptions options)
    : impl_(std::make_unique<Impl>(std::move(model), task, config, std::move(options))) {}

Trainer::~Trainer() = default;

FitResult Trainer::fit(const Subset& train, const Subset& valid) {
  return impl_->fit(train, valid);
}

}  // namespace salus::train
