#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/config.h"
#include "engine/core/task.h"
#include "engine/data/loader.h"
#include "kernels/image_augment.h"

namespace salus::train {

struct OptimizerConfig {
  enum class Kind { kSgd, kAdam, kAdamW } kind = Kind::kAdamW;
  double lr = 1e-3;
  double weight_decay = 0.01;
  double momentum = 0.9;  ///< SGD
  bool nesterov = true;   ///< SGD
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  bool decay_norm_and_bias = false;  ///< weight decay on parameters of one dimension too
};

struct ScheduleConfig {
  enum class Kind { kConstant, kCosine, kStep, kPlateau } kind = Kind::kCosine;
  double warmup = 0;               ///< epochs of linear rise from 0
  double final_fraction = 0;       ///< cosine: of the learning rate, at the end
  std::vector<double> milestones;  ///< step: epochs after which the rate is multiplied by gamma
  double gamma = 0.1;              ///< step and plateau
  std::int64_t patience = 5;       ///< plateau: epochs without improvement before a reduction
};

struct LossConfig {
  enum class Kind { kBce, kCe, kFocal, kMse, kMae, kHuber } kind = Kind::kBce;
  double label_smoothing = 0;         ///< in [0, 1)
  double focal_gamma = 2;             ///< focal
  bool balanced = false;              ///< class_weights = "balanced"
  std::vector<double> class_weights;  ///< binary [negative, positive]; multiclass one per class;
                                      ///< multilabel the positives' weight, one per label
};

struct EarlyStoppingConfig {
  std::int64_t patience = 0;  ///< epochs without improvement; 0 = never stop early
  double min_delta = 0;
};

struct CheckpointConfig {
  std::int64_t best = 1;   ///< how many best weights are kept
  std::int64_t every = 1;  ///< epochs between saves of the whole state
};

enum class Precision { kFloat32, kBFloat16, kFloat16 };

/// The [train] and [augment] tables.
///
///   [train]
///   epochs = 20
///   batch_size = 64
///   seed = 0
///   precision = "auto"       # bf16, fp16, fp32; auto = bf16 where the processor computes in it
///   channels_last = true
///   accumulate = 1           # batches per optimiser step
///   clip_norm = 0.0          # 0 = off
///   drop_last = false
///   sampler = "shuffle"      # shuffle; balanced: each class as often; weighted: by the class's
///   sampler_weights = [1, 3] # weight ([negative, positive], or one a label); see data::Sampler
///   bucket = false           # batches of stays of like length, which are faster
///   monitor = "auroc"        # metric on validation that picks the best epoch
///   keep = "best"            # best by the monitor, or last: the end of the schedule, whatever
///                            # validation says (right where validation is small or saturated)
///   init_weights = "FILE"    # safetensors or PyTorch state dict
///   freeze = ["layer1"]      # parameters whose names begin so are not trained
///   mixup = 0.0              # alpha of the Beta distribution; 0 = off
///   [train.optimizer]        # name = sgd, adam, adamw; lr, weight_decay, momentum, nesterov,
///   betas, eps [train.schedule]         # name = constant, cosine, step, plateau; warmup, final,
///   milestones, gamma, patience [train.loss]             # name = bce, ce, focal, mse, mae, huber;
///   label_smoothing, class_weights, gamma [train.ema]              # decay = 0.999; 0 = off
///   [train.early_stopping]   # patience, min_delta
///   [train.checkpoints]      # best, every
///   [augment]                # rotate, translate, scale = [low, high], shear, flip, gain, bias,
///   gamma, noise,
///                            # cutout, cutout_probability, fill
struct TrainConfig {
  std::int64_t epochs = 20;
  std::int64_t batch_size = 64;
  std::uint64_t seed = 0;
  Precision precision = Precision::kFloat32;
  bool channels_last = true;
  std::int64_t accumulate = 1;
  double clip_norm = 0;
  bool drop_last = false;
  data::Sampler::Kind sampler = data::Sampler::Kind::kShuffle;
  std::vector<double> sampler_weights;
  bool bucket = false;
  std::string monitor;
  bool keep_last = false;  ///< the last epoch's weights count as the best
  std::string init_weights;
  std::vector<std::string> freeze;
  double mixup = 0;
  double ema_decay = 0;
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  LossConfig loss;
  EarlyStoppingConfig early_stopping;
  CheckpointConfig checkpoints;
  bool augments = false;
  kernels::AugmentSpec augment;
  /// Of the images, filled in from the transform by the caller: one for each channel.
  std::vector<double> channel_mean, channel_stddev;
};

/// Reads [train] and [augment] of `root`; precision "auto" is resolved for `device` ("cpu",
/// "cuda:0") and written back, so that the saved configuration names what ran.
///
/// \throws UsageError for a value out of range, or a loss that does not fit the task.
TrainConfig read_train_config(Config& root, const Task& task, const std::string& device);

std::string to_string(Precision precision);

/// True if a higher value of the metric is better ("loss", "mae", "rmse", "log_loss", "brier",
/// "ece" are better low).
bool higher_is_better(const std::string& metric);

}  // namespace salus::train
