#include "engine/train/precision.h"

#include <ATen/autocast_mode.h>
#include <torch/torch.h>

#include "engine/core/device.h"

namespace salus::train {
namespace {

/// The tensor in channels-last strides. Its own contiguous() leaves one of a single channel as it
/// is, and a convolution that sees only such tensors would write its result channels first.
at::Tensor to_channels_last(const at::Tensor& tensor) {
  const auto format = at::MemoryFormat::ChannelsLast;
  if (tensor.suggest_memory_format() == format) return tensor.contiguous(format);
  return at::empty(tensor.sizes(), tensor.options(), format).copy_(tensor);
}

}  // namespace

at::Device open_device(const std::string& name) {
  const at::Device device = salus::open_device(name);
  if (device.is_cuda()) at::globalContext().setBenchmarkCuDNN(true);
  return device;
}

AutocastScope::AutocastScope(const at::Device& device, Precision precision)
    : device_(device.type()),
      was_enabled_(at::autocast::is_autocast_enabled(device_)),
      previous_(at::autocast::get_autocast_dtype(device_)) {
  at::autocast::set_autocast_enabled(device_, precision != Precision::kFloat32);
  at::autocast::set_autocast_dtype(device_,
                                   precision == Precision::kFloat16 ? at::kHalf : at::kBFloat16);
  at::autocast::increment_nesting();
}

AutocastScope::~AutocastScope() {
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_dtype(device_, previous_);
  at::autocast::set_autocast_enabled(device_, was_enabled_);
}

void prepare_model(Model& model, const at::Device& device, bool channels_last) {
  at::NoGradGuard guard;
  model.to(device);
  if (!channels_last) return;
  for (at::Tensor& parameter : model.parameters()) {
    if (parameter.dim() != 4) continue;
    parameter.set_data(to_channels_last(parameter.detach()));
  }
}

Batch to_device(const Batch& batch, const at::Device& device, bool channels_last) {
  Batch moved;
  moved.ids = batch.ids;
  for (const auto& [name, tensor] : batch.inputs) {
    auto there = tensor.to(device, /*non_blocking=*/true);
    const bool image = channels_last && there.dim() == 4;
    moved.inputs[name] = image ? to_channels_last(there) : there;
  }
  if (batch.target.defined()) moved.target = batch.target.to(device, /*non_blocking=*/true);
  return moved;
}

}  // namespace salus::train
