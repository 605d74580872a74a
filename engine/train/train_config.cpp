#include "engine/train/train_config.h"

#include <ATen/Context.h>
#include <ATen/cpu/Utils.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/io/error.h"

namespace salus::train {
namespace {

/// `value` as it stands if `ok`, else an error that says what `key` must be.
template <typename T>
T require(const Config& table, const std::string& key, T value, bool ok, const char* what) {
  if (ok) return value;
  throw UsageError(fmt::format("{} = {} must be {}.", table.where(key), value, what));
}

std::int64_t at_least(const Config& table, const std::string& key, std::int64_t fallback,
                      std::int64_t least) {
  const auto value = table.get_int(key, fallback);
  return require(table, key, value, value >= least, least == 0 ? "at least 0" : "at least 1");
}

double not_negative(const Config& table, const std::string& key, double fallback) {
  const double value = table.get_double(key, fallback);
  return require(table, key, value, value >= 0 && std::isfinite(value), "at least 0 and finite");
}

/// In [0, 1).
double fraction(const Config& table, const std::string& key, double fallback) {
  const double value = table.get_double(key, fallback);
  return require(table, key, value, value >= 0 && value < 1, "at least 0 and below 1");
}

OptimizerConfig read_optimizer(const Config& table) {
  using Kind = OptimizerConfig::Kind;
  OptimizerConfig config;
  const std::string name = table.get_choice("name", {"adamw", "adam", "sgd"}, "adamw");
  config.kind = name == "sgd" ? Kind::kSgd : name == "adam" ? Kind::kAdam : Kind::kAdamW;
  config.lr = not_negative(table, "lr", name == "sgd" ? 0.1 : 1e-3);
  config.weight_decay = not_negative(table, "weight_decay",
                                     name == "adamw" ? 0.01
                                     : name == "sgd" ? 1e-4
                                                     : 0.0);
  config.decay_norm_and_bias = table.get_bool("decay_norm_and_bias", false);
  if (config.kind == Kind::kSgd) {
    config.momentum = fraction(table, "momentum", 0.9);
    config.nesterov = table.get_bool("nesterov", config.momentum > 0);
    require(table, "nesterov", config.nesterov, !config.nesterov || config.momentum > 0,
            "false when momentum is 0");
    return config;
  }
  const auto betas = table.get_doubles("betas", {0.9, 0.999});
  if (betas.size() != 2 || !(betas[0] >= 0 && betas[0] < 1 && betas[1] >= 0 && betas[1] < 1)) {
    throw UsageError(fmt::format("{} must be two numbers in [0, 1).", table.where("betas")));
  }
  config.beta1 = betas[0];
  config.beta2 = betas[1];
  config.eps = not_negative(table, "eps", 1e-8);
  return config;
}

ScheduleConfig read_schedule(const Config& table) {
  using Kind = ScheduleConfig::Kind;
  ScheduleConfig config;
  const auto name = table.get_choice("name", {"cosine", "step", "plateau", "constant"}, "cosine");
  config.warmup = not_negative(table, "warmup", 0);
  if (name == "constant") {
    config.kind = Kind::kConstant;
  } else if (name == "cosine") {
    config.kind = Kind::kCosine;
    config.final_fraction = fraction(table, "final", 0);
  } else if (name == "step") {
    config.kind = Kind::kStep;
    config.milestones = table.get_doubles("milestones");
    config.gamma = not_negative(table, "gamma", 0.1);
  } else {
    config.kind = Kind::kPlateau;
    config.gamma = fraction(table, "gamma", 0.1);
    config.patience = at_least(table, "patience", 5, 0);
  }
  return config;
}

std::vector<std::string> losses_of(TaskKind kind) {
  switch (kind) {
    case TaskKind::kBinary:
    case TaskKind::kMultilabel:
      return {"bce", "focal"};
    case TaskKind::kMulticlass:
      return {"ce", "focal"};
    case TaskKind::kRegression:
      return {"mse", "mae", "huber"};
  }
  return {};
}

/// A number above 0 for each class, [negative, positive] of a binary task. `or_else` names what the
/// key may hold instead.
std::vector<double> weights_of_classes(const Config& table, const char* key, const char* or_else,
                                       const Task& task) {
  const auto weights = table.get_doubles(key);
  const bool binary = task.kind == TaskKind::kBinary;
  const std::size_t expected = binary ? 2 : task.labels.size();
  const bool ok =
      weights.size() == expected && std::all_of(weights.begin(), weights.end(),
                                                [](double w) { return w > 0 && std::isfinite(w); });
  if (ok) return weights;
  throw UsageError(fmt::format("{} must be {}{} numbers above 0{}.", table.where(key), or_else,
                               expected, binary ? " ([negative, positive])" : ""));
}

void read_class_weights(const Config& table, const Task& task, LossConfig& config) {
  if (!table.has("class_weights")) return;
  if (table.is_string("class_weights")) {
    table.get_choice("class_weights", {"balanced"}, "balanced");
    config.balanced = true;
    return;
  }
  config.class_weights = weights_of_classes(table, "class_weights", "\"balanced\" or ", task);
}

void read_sampler(const Config& train, const Task& task, TrainConfig& config) {
  using Kind = data::Sampler::Kind;
  const auto name = train.get_choice("sampler", {"shuffle", "balanced", "weighted"}, "shuffle");
  config.sampler = name == "balanced"   ? Kind::kBalanced
                   : name == "weighted" ? Kind::kWeighted
                                        : Kind::kShuffle;
  if (config.sampler == Kind::kShuffle) return;
  if (task.kind == TaskKind::kRegression) {
    throw UsageError(fmt::format("{} = \"{}\" needs classes, which a regression has not.",
                                 train.where("sampler"), name));
  }
  if (config.sampler == Kind::kBalanced) return;
  config.sampler_weights = weights_of_classes(train, "sampler_weights", "", task);
}

LossConfig read_loss(const Config& table, const Task& task) {
  using Kind = LossConfig::Kind;
  static const std::map<std::string, Kind> kinds = {
      {"bce", Kind::kBce}, {"ce", Kind::kCe},   {"focal", Kind::kFocal},
      {"mse", Kind::kMse}, {"mae", Kind::kMae}, {"huber", Kind::kHuber}};
  LossConfig config;
  const auto choices = losses_of(task.kind);
  config.kind = kinds.at(table.get_choice("name", choices, choices.front()));
  if (task.kind == TaskKind::kRegression) return config;
  config.label_smoothing = fraction(table, "label_smoothing", 0);
  if (config.kind == Kind::kFocal) config.focal_gamma = not_negative(table, "gamma", 2);
  read_class_weights(table, task, config);
  return config;
}

void read_range(const Config& table, const std::string& key, double neutral, double& low,
                double& high) {
  const auto range = table.get_doubles(key, {neutral, neutral});
  if (range.size() != 2 || !(range[0] <= range[1]) || !std::isfinite(range[0]) ||
      !std::isfinite(range[1])) {
    throw UsageError(fmt::format("{} must be [low, high].", table.where(key)));
  }
  low = range[0];
  high = range[1];
}

double between(const Config& table, const std::string& key, double least, double most) {
  const double value = table.get_double(key, 0);
  return require(table, key, value, value >= least && value <= most,
                 fmt::format("{} to {}", least, most).c_str());
}

/// Within what kernels/image_augment.h takes.
kernels::AugmentSpec read_augment(const Config& table) {
  kernels::AugmentSpec spec;
  spec.rotate = between(table, "rotate", 0, 360);
  spec.translate = between(table, "translate", 0, 10);
  read_range(table, "scale", 1, spec.scale_low, spec.scale_high);
  require(table, "scale", spec.scale_low, spec.scale_low > 0, "above 0");
  spec.shear = between(table, "shear", 0, 89);
  spec.flip = table.get_double("flip", 0);
  require(table, "flip", spec.flip, spec.flip >= 0 && spec.flip <= 1, "a probability in [0, 1]");
  read_range(table, "gain", 1, spec.gain_low, spec.gain_high);
  read_range(table, "bias", 0, spec.bias_low, spec.bias_high);
  read_range(table, "gamma", 1, spec.gamma_low, spec.gamma_high);
  require(table, "gamma", spec.gamma_low, spec.gamma_low > 0, "above 0");
  read_range(table, "noise", 0, spec.noise_low, spec.noise_high);
  require(table, "noise", spec.noise_low, spec.noise_low >= 0, "at least 0");
  spec.cutout = fraction(table, "cutout", 0);
  spec.cutout_probability = table.get_double("cutout_probability", spec.cutout > 0 ? 1.0 : 0.0);
  require(table, "cutout_probability", spec.cutout_probability,
          spec.cutout_probability >= 0 && spec.cutout_probability <= 1, "a probability in [0, 1]");
  spec.fill = table.get_double("fill", 0);
  return spec;
}

/// Whether the processor has bfloat16 matrix units: elsewhere bf16 is emulated and slower.
bool computes_in_bf16(const std::string& device) {
  if (device.rfind("cuda", 0) == 0) return true;
  const auto capabilities = at::cpu::get_cpu_capabilities();
  for (const char* unit : {"amx_bf16", "avx512_bf16"}) {
    const auto found = capabilities.find(unit);
    if (found != capabilities.end() && found->second.isBool() && found->second.toBool())
      return true;
  }
  return false;
}

Precision read_precision(Config& root, const std::string& device) {
  const auto name =
      root.table("train").get_choice("precision", {"auto", "bf16", "fp16", "fp32"}, "auto");
  if (name == "fp16") return Precision::kFloat16;
  if (name == "bf16") return Precision::kBFloat16;
  if (name == "fp32") return Precision::kFloat32;
  const auto resolved = computes_in_bf16(device) ? Precision::kBFloat16 : Precision::kFloat32;
  root.override_with("train.precision", to_string(resolved));
  return resolved;
}

}  // namespace

std::string to_string(Precision precision) {
  switch (precision) {
    case Precision::kBFloat16:
      return "bf16";
    case Precision::kFloat16:
      return "fp16";
    case Precision::kFloat32:
      return "fp32";
  }
  return "fp32";
}

bool higher_is_better(const std::string& metric) {
  static const std::set<std::string> low = {"loss", "mae", "rmse", "ece", "brier", "log_loss"};
  return !low.contains(metric);
}

TrainConfig read_train_config(Config& root, const Task& task, const std::string& device) {
  const Config train = root.table("train");
  TrainConfig config;
  config.epochs = at_least(train, "epochs", 20, 1);
  config.batch_size = at_least(train, "batch_size", 64, 1);
  config.seed = static_cast<std::uint64_t>(at_least(train, "seed", 0, 0));
  config.precision = read_precision(root, device);
  config.channels_last = train.get_bool("channels_last", true);
  config.accumulate = at_least(train, "accumulate", 1, 1);
  config.clip_norm = not_negative(train, "clip_norm", 0);
  config.drop_last = train.get_bool("drop_last", false);
  read_sampler(train, task, config);
  config.bucket = train.get_bool("bucket", false);
  config.monitor =
      train.get_string("monitor", task.kind == TaskKind::kRegression ? "loss" : "auroc");
  config.keep_last = train.get_choice("keep", {"best", "last"}, "best") == "last";
  config.init_weights = train.get_string("init_weights", "");
  config.freeze = train.get_strings("freeze", {});
  config.mixup = not_negative(train, "mixup", 0);
  config.ema_decay = fraction(train.table("ema"), "decay", 0);
  config.optimizer = read_optimizer(train.table("optimizer"));
  config.schedule = read_schedule(train.table("schedule"));
  config.loss = read_loss(train.table("loss"), task);
  const Config early = train.table("early_stopping");
  config.early_stopping.patience = at_least(early, "patience", 0, 0);
  config.early_stopping.min_delta = not_negative(early, "min_delta", 0);
  if (config.keep_last && config.early_stopping.patience > 0) {
    throw UsageError(
        fmt::format("{} = \"last\" and early stopping exclude each other.", train.where("keep")));
  }
  const Config checkpoints = train.table("checkpoints");
  config.checkpoints.best = at_least(checkpoints, "best", 1, 1);
  config.checkpoints.every = at_least(checkpoints, "every", 1, 1);
  config.augments = root.has("augment");
  if (config.augments) config.augment = read_augment(root.table("augment"));
  return config;
}

}  // namespace salus::train
