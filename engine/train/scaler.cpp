#include "engine/train/scaler.h"

#include <torch/torch.h>

namespace salus::train {

GradScaler::GradScaler(const at::Device& device, double initial_scale, std::int64_t growth_interval)
    : growth_interval_(growth_interval),
      scale_(at::full({1}, initial_scale, at::TensorOptions(at::kFloat).device(device))),
      growth_(at::zeros({1}, at::TensorOptions(at::kInt).device(device))),
      found_inf_(at::zeros({1}, at::TensorOptions(at::kFloat).device(device))) {}

const at::Tensor& GradScaler::unscale(const std::vector<at::Tensor>& gradients) {
  at::NoGradGuard guard;
  found_inf_.zero_();
  // The inverse in double, rounded once: exact for the powers of two that the scale takes.
  const auto inverse = scale_.to(at::kDouble).reciprocal().to(at::kFloat);
  at::_amp_foreach_non_finite_check_and_unscale_(gradients, found_inf_, inverse);
  return found_inf_;
}

void GradScaler::update() {
  at::NoGradGuard guard;
  at::_amp_update_scale_(scale_, growth_, found_inf_, 2.0, 0.5, growth_interval_);
}

}  // namespace salus::train
