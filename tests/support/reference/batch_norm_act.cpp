#include "tests/support/reference/batch_norm_act.h"

#include <ATen/ATen.h>

namespace salus::reference {
namespace {

at::Tensor leaf(const at::Tensor& values) {
  return values.detach().to(at::kDouble).contiguous().clone().requires_grad_(true);
}

at::Tensor activated(const at::Tensor& v, kernels::NormActivation activation,
                     const at::Tensor& rectified) {
  switch (activation) {
    case kernels::NormActivation::kNone:
      return v;
    case kernels::NormActivation::kRelu:
      if (rectified.defined()) return v * rectified.to(at::kDouble).gt(0);
      return at::where(v.lt(0), at::zeros_like(v), v);
    case kernels::NormActivation::kSilu:
      return v / (1 + (-v).exp());
  }
  return v;
}

}  // namespace

BatchNormAct batch_norm_act(const at::Tensor& x, const at::Tensor& residual,
                            const kernels::BatchNormParameters& parameters,
                            kernels::NormActivation activation, const at::Tensor& dy,
                            const at::Tensor& rectified) {
  const at::Tensor in = leaf(x), weight = leaf(parameters.weight), bias = leaf(parameters.bias);
  const at::Tensor added = residual.defined() ? leaf(residual) : residual;
  const at::Tensor mean = in.mean({0, 2, 3}, /*keepdim=*/true);
  const at::Tensor variance = (in - mean).square().mean({0, 2, 3}, /*keepdim=*/true);
  const at::Tensor rstd = 1 / (variance + parameters.eps).sqrt();
  at::Tensor v = (in - mean) * rstd * weight.view({1, -1, 1, 1}) + bias.view({1, -1, 1, 1});
  if (added.defined()) v = v + added;
  const at::Tensor y = activated(v, activation, rectified);
  y.backward(dy.to(at::kDouble));
  return {y.detach(),
          mean.detach().flatten(),
          rstd.detach().flatten(),
          variance.detach().flatten(),
          in.grad(),
          added.defined() ? added.grad() : at::Tensor(),
          weight.grad(),
          bias.grad()};
}

}  // namespace salus::reference
