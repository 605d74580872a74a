#pragma once

#include <ATen/core/Tensor.h>

#include "engine/core/batch.h"
#include "engine/core/model.h"
#include "engine/train/train_config.h"

namespace salus::train {

/// The device of a name ("cpu", "cuda", "cuda:1"), ready for use.
/// \throws UsageError for another name; Error saying why CUDA cannot be used.
at::Device open_device(const std::string& name);

/// Autocast on this thread while it lives (float32: off). The cache of cast weights is dropped at
/// the end, since the optimiser then changes the weights.
class AutocastScope {
 public:
  AutocastScope(const at::Device& device, Precision precision);
  ~AutocastScope();
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  at::DeviceType device_;
  bool was_enabled_;
  at::ScalarType previous_;
};

/// Moves the model to the device; weights of convolutions become channels-last if asked for.
void prepare_model(Model& model, const at::Device& device, bool channels_last);

/// The batch on the device, images channels-last if asked for. Copies from pinned memory do not
/// wait.
Batch to_device(const Batch& batch, const at::Device& device, bool channels_last);

}  // namespace salus::train
