#pragma once

#include <torch/nn/module.h>

#include <functional>
#include <memory>
#include <string>

#include "engine/core/batch.h"
#include "engine/core/registry.h"
#include "engine/core/step_network.h"
#include "engine/core/task.h"

namespace salus {

/// A network trained by gradients, or an Estimator (engine/core/estimator.h). Parameter names equal
/// the field's reference (torchvision for images), so that published checkpoints load.
class Model : public torch::nn::Module {
 public:
  /// Penultimate features [N, E]; of a model with labels a step [N, T, E].
  virtual at::Tensor embed(const Batch& batch) = 0;
  /// Logits float32 [N, L] or [N, T, L] from penultimate features.
  virtual at::Tensor classify(const at::Tensor& features) = 0;
  at::Tensor forward(const Batch& batch) { return classify(embed(batch)); }

  /// Estimates what is not learnt by gradients (quantiles of features) from the training cases, before
  /// the first step. `next` gives one batch after the other on the model's device, false after the last;
  /// a model that estimates nothing does not call it.
  virtual void fit_statistics(const std::function<bool(Batch& batch)>& next) {}

  /// Last spatial feature map [N, E, h, w] (what Grad-CAM needs), or undefined if there is none.
  virtual at::Tensor feature_map(const Batch& batch) { return {}; }
  /// Penultimate features [N, E] from the feature map: embed(b) = pool(feature_map(b)).
  virtual at::Tensor pool(const at::Tensor& map) { return {}; }

  /// Module names of the first layer ("conv1") and of the head ("fc"), whose shapes a checkpoint of
  /// other channels or classes does not share; "" if the model has no such layer.
  virtual std::string first_layer() const { return {}; }
  virtual std::string head() const { return {}; }
  /// This model's name of a parameter that published checkpoints call `published`.
  virtual std::string canonical_name(const std::string& published) const { return published; }

  /// Called before gradients along the straight line between two batches of one case are asked for. A
  /// part that is constant by pieces (trees) then differentiates as the linear function that shares out
  /// its difference between them; others have nothing to do.
  virtual void prepare_line(const Batch& from, const Batch& to) {}

  /// A copy of the weights that scores a series bin by bin; null if the model looks ahead, or is not
  /// of series. \throws c10::Error if the weights are not float32 on the CPU.
  virtual std::unique_ptr<StepNetwork> step_network() const { return nullptr; }

  /// Rewrites the network in place for inference: weights in `dtype` (float32 or bfloat16), batch
  /// normalisation folded into convolutions where the architecture knows how. It can no longer be
  /// trained, differentiated or saved afterwards. Inputs are then taken in `dtype`, channels-last.
  virtual void prepare_inference(at::ScalarType dtype) {
    eval();
    to(dtype);
  }
};

}  // namespace salus
