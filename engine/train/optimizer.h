#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/train/train_config.h"

namespace salus::train {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// SGD, Adam and AdamW by LibTorch's fused operators: one pass over memory per step, no Python-like
/// loop over tensors and no wait for the device.
///
/// The formulas are torch.optim's. One step counter serves all parameters; one that had no gradient
/// in a step is left out of it.
class Optimizer {
 public:
  /// \param parameters  those that are trained, with their names.
  Optimizer(NamedTensors parameters, const OptimizerConfig& config);

  /// \param found_inf  float32 [1] on the device or undefined; where it is 1 nothing changes.
  void step(double lr, const at::Tensor& found_inf = {});

  /// Drops the gradients (the next backward then writes instead of adding).
  void zero_grad();

  /// Gradients that exist, in the order of the parameters.
  std::vector<at::Tensor> gradients() const;

  /// Scales the gradients so that their common 2-norm is at most `limit`.
  /// \returns the norm before, a scalar on the device.
  at::Tensor clip_norm(double limit);

  /// State by name ("exp_avg.conv1.weight", "step"): same storage as in use.
  std::map<std::string, at::Tensor> state() const;
  /// Copies `state` in. \throws Error naming an entry that is missing or has another shape.
  void load_state(const std::map<std::string, at::Tensor>& state);

 private:
  /// Parameters that share a weight decay.
  struct Group {
    double weight_decay = 0;
    std::vector<std::string> names;
    std::vector<at::Tensor> parameters, first, second;  ///< momentum or moments; may be empty
  };
  void step_group(Group& group, double lr, const at::Tensor& found_inf);

  OptimizerConfig config_;
  std::vector<Group> groups_;
  at::Tensor step_;  ///< float32 scalar on the parameters' device, as the fused operators want it
};

}  // namespace salus::train
