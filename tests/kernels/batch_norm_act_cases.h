#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/batch_norm_act.h"

namespace salus::kernels {

/// Inputs of one call. Each channel has a mean and a deviation of its own.
struct NormCase {
  at::Tensor x, residual, dy;
  BatchNormParameters parameters;
  NormActivation activation = NormActivation::kNone;

  BatchNormOutput forward() const { return batch_norm_act(x, residual, parameters, activation); }
  BatchNormGradients backward(const BatchNormOutput& out) const {
    return batch_norm_act_backward(dy, false, x, out, residual.defined(), parameters, activation);
  }
};

inline at::Generator seeded(std::uint64_t seed) {
  at::Generator generator = at::globalContext().defaultGenerator(at::kCPU).clone();
  generator.set_current_seed(seed);
  return generator;
}

inline NormCase norm_case(at::IntArrayRef shape, at::ScalarType type, NormActivation activation,
                          bool residual, std::uint64_t seed = 1) {
  at::Generator random = seeded(seed);
  const auto normal = [&](at::IntArrayRef size) { return at::randn(size, random, at::kFloat); };
  const auto row = [&] { return normal({1, shape[1], 1, 1}); };
  const auto placed = [&](const at::Tensor& values) {
    return values.to(type).contiguous(at::MemoryFormat::ChannelsLast);
  };
  NormCase made;
  made.x = placed(normal(shape) * row().exp() + 3 * row());
  if (residual) made.residual = placed(normal(shape));
  made.dy = placed(normal(shape) + 0.1 * row());
  made.parameters = {normal({shape[1]}) + 1, normal({shape[1]}), 1e-5};
  made.activation = activation;
  return made;
}

/// Every element of `a` within `relative` of `scale` (each channel's largest magnitude in `b`, if
/// not given) plus an ulp, of the dtype of `a`, of the value itself.
inline void expect_near(const at::Tensor& a, const at::Tensor& b, double relative,
                        const std::string& what, at::Tensor scale = {}) {
  ASSERT_TRUE(a.defined() && b.defined()) << what;
  ASSERT_EQ(a.sizes(), b.sizes()) << what;
  const double ulp = a.scalar_type() == at::kBFloat16 ? 1.0 / 256 : 1e-6;
  const at::Tensor wide = b.to(at::kDouble);
  if (!scale.defined()) {
    scale = wide.dim() == 4 ? wide.abs().amax({0, 2, 3}, /*keepdim=*/true) : wide.abs().max();
  }
  const at::Tensor excess =
      (a.to(at::kDouble) - wide).abs() - (wide.abs() * ulp + scale * relative + 1e-30);
  EXPECT_LE(excess.max().item<double>(), 0) << what;
}

}  // namespace salus::kernels
