#include "engine/infer/model_predictor.h"

#include <ATen/autocast_mode.h>

#include <algorithm>

#include "engine/core/device.h"

namespace salus::infer {
namespace {

/// Autocast to bfloat16 on this thread while it lives; leaves an outer one as it was.
class Autocast {
 public:
  Autocast(at::DeviceType device, bool on) : device_(device), on_(on) {
    if (!on_) return;
    enabled_ = at::autocast::is_autocast_enabled(device_);
    dtype_ = at::autocast::get_autocast_dtype(device_);
    at::autocast::set_autocast_dtype(device_, at::kBFloat16);
    at::autocast::set_autocast_enabled(device_, true);
    at::autocast::increment_nesting();
  }
  ~Autocast() {
    if (!on_) return;
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, enabled_);
    at::autocast::set_autocast_dtype(device_, dtype_);
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  at::DeviceType device_;
  bool on_;
  bool enabled_ = false;
  at::ScalarType dtype_ = at::kBFloat16;
};

at::Tensor joined(const std::vector<at::Tensor>& parts) {
  return parts.empty() ? at::Tensor() : at::cat(parts).to(at::kCPU, at::kFloat);
}

}  // namespace

ModelPredictor::ModelPredictor(std::shared_ptr<Model> model, std::int64_t micro_batch,
                               const std::string& compute_dtype, const std::string& device,
                               bool prepare)
    : model_(std::move(model)),
      micro_batch_(micro_batch),
      dtype_(compute_dtype == "bfloat16" ? at::kBFloat16 : at::kFloat),
      device_(open_device(device)),
      prepared_(prepare) {
  TORCH_CHECK(micro_batch_ >= 1, "a micro-batch of at least one case is needed");
  model_->to(device_);
  model_->eval();
  if (prepared_) model_->prepare_inference(dtype_);
}

Batch ModelPredictor::micro_batch_of(const Batch& batch, std::int64_t begin,
                                     std::int64_t count) const {
  Batch part;
  for (const auto& [name, tensor] : batch.inputs) {
    at::Tensor cases = tensor.narrow(0, begin, count);
    std::vector<std::int64_t> shape = cases.sizes().vec();
    shape[0] = micro_batch_;
    const bool floating = cases.is_floating_point();
    const auto dtype = !floating ? cases.scalar_type() : prepared_ ? dtype_ : at::kFloat;
    const auto format =
        cases.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
    at::Tensor padded = at::empty(shape, cases.options().dtype(dtype).device(device_), format);
    padded.narrow(0, 0, count).copy_(cases);
    if (count < micro_batch_) padded.narrow(0, count, micro_batch_ - count).zero_();
    part.inputs[name] = padded;
  }
  part.ids.resize(static_cast<std::size_t>(micro_batch_));
  return part;
}

Outputs ModelPredictor::forward(const Batch& batch) const {
  const Autocast autocast(device_.type(), !prepared_ && dtype_ == at::kBFloat16);
  const at::Tensor features = model_->embed(batch);
  return {model_->classify(features), features};
}

Outputs ModelPredictor::run(const Batch& batch) const {
  TORCH_CHECK(!model_->is_training(), "a model that predicts must be in evaluation mode");
  TORCH_CHECK(!batch.inputs.empty(), "a batch without inputs cannot be scored");
  const std::int64_t cases = batch.inputs.begin()->second.size(0);
  std::vector<at::Tensor> logits, features;
  {
    c10::InferenceMode inference;
    for (std::int64_t begin = 0; begin < cases; begin += micro_batch_) {
      const std::int64_t count = std::min(micro_batch_, cases - begin);
      const Outputs outputs = forward(micro_batch_of(batch, begin, count));
      logits.push_back(outputs.logits.narrow(0, 0, count));
      features.push_back(outputs.features.narrow(0, 0, count));
    }
  }
  // Outside inference mode, so that callers may write into the results.
  at::NoGradGuard no_grad;
  return {joined(logits), joined(features)};
}

}  // namespace salus::infer
