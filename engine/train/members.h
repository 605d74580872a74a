#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/core/config.h"
#include "engine/core/registry.h"
#include "engine/infer/bundle.h"
#include "engine/train/parts.h"
#include "engine/train/train_config.h"
#include "engine/train/trainer.h"

namespace salus::train {

/// One network to be trained.
struct MemberPlan {
  ModelSpec model;  ///< name and options; sizes are filled in by the data
  TrainConfig train;
};

/// The networks that a configuration trains: the one of [model] and [train] or, with [[member]] tables,
/// an ensemble of several:
///
///   [[member]]
///   model = {name = "gru_d", hidden = 64}  # in place of [model]
///   seeds = [0, 1]                         # one network for each; default: train.seed
///   train.optimizer.lr = 1e-3              # over [train], as augment over [augment]
///
/// \throws UsageError as read_train_config() does.
std::vector<MemberPlan> read_members(Config& config, const Task& task, const std::string& device);

/// The best weights of one network or, by the names that an ensemble gives them ("member0.fc.weight"),
/// of several.
std::map<std::string, at::Tensor> weights_of(const std::vector<FitResult>& fits);

/// Turns `bundle`, whose task, transform and weights (weights_of()) are set and whose model has the
/// sizes of the input, into the ensemble of trained networks. Each one's logits are calibrated on what
/// was held out from it (Platt; multiclass: a temperature; regression: as they are) before they are
/// averaged.
void make_ensemble(infer::Bundle& bundle, const std::vector<MemberPlan>& members,
                   const std::vector<FitResult>& fits, const Registry& registry, const Parts& parts,
                   const std::string& device, int threads,
                   const std::function<void(const std::string&)>& warn);

}  // namespace salus::train
