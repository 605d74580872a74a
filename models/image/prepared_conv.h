#pragma once

#include <mutex>
#include <vector>

#include "models/image/layers.h"

namespace salus::models {

/// Batch normalisation with its running statistics: y = scale * x + shift, float64 [C] each.
struct FoldedNorm {
  at::Tensor scale, shift;
};
FoldedNorm fold(const torch::nn::BatchNorm2dImpl& norm);

/// The one call that a ConvImpl becomes for inference. Thread-safe.
class ConvImpl::Prepared {
 public:
  Prepared(const ConvImpl& conv, const torch::nn::BatchNorm2d& norm, Activation activation,
           at::ScalarType dtype);
  at::Tensor run(const at::Tensor& x, const at::Tensor& residual);

 private:
  void move_stride_into_channels();
  at::Tensor unshuffled(const at::Tensor& x) const;
  at::Tensor run_onednn(const at::Tensor& x, const at::Tensor& residual);
  at::Tensor run_generic(const at::Tensor& x, const at::Tensor& residual) const;

  at::Tensor weight_;
  at::Tensor bias_;          // float32 in oneDNN: added before the sum is rounded to bfloat16
  at::Tensor rounded_bias_;  // in the inputs' type, which oneDNN's sum with a residual demands
  at::Tensor packed_;        // weight_ in the layout that oneDNN wants for the first input's size
  std::once_flag pack_once_;
  std::vector<std::int64_t> stride_, padding_, dilation_;
  std::int64_t groups_;
  Activation activation_;
  bool onednn_;
  std::vector<std::int64_t> border_;  // zero padding before the 2 x 2 unshuffle; empty = none
};

}  // namespace salus::models
