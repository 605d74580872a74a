#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

namespace salus::train {

/// Loss scaling for float16: small gradients would vanish. The scale halves after a step whose
/// gradients overflowed (that step is skipped) and doubles after 2000 good ones, as torch's
/// GradScaler does. Nothing waits for the device.
class GradScaler {
 public:
  explicit GradScaler(const at::Device& device, double initial_scale = 65536,
                      std::int64_t growth_interval = 2000);

  at::Tensor scale(const at::Tensor& loss) const { return loss * scale_.squeeze(); }

  /// Divides the gradients by the scale and notes whether one is not finite.
  /// \returns float32 [1], 1 if so: hand it to Optimizer::step.
  const at::Tensor& unscale(const std::vector<at::Tensor>& gradients);
  /// After the optimiser's step.
  void update();

  std::map<std::string, at::Tensor> state() const {
    return {{"scale", scale_}, {"growth", growth_}};
  }

 private:
  std::int64_t growth_interval_;
  at::Tensor scale_, growth_, found_inf_;
};

}  // namespace salus::train
