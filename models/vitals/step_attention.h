#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace salus::models {

/// Attention of the newest bin of one series to itself and the bins before it, within a window, whose
/// keys and values lie in a ring.
class StepAttention {
 public:
  /// \param distance_bias  [heads, window], added to the scores. \param hidden  H, of all heads.
  StepAttention(const at::Tensor& distance_bias, std::int64_t hidden);

  std::int64_t window() const { return window_; }
  /// Keys and values of the window.
  std::int64_t ring_floats() const { return 2 * window_ * hidden_; }

  /// \param qkv     [3 H]: query, key and value of bin t. \param t  bins before this one.
  /// \param ring    ring_floats() of the series, renewed. \param scores  window() floats to work in.
  /// \param mixed   [H]: of each head the values, weighted by softmax(q k / sqrt(H / heads) + bias).
  void operator()(const float* qkv, std::int64_t t, float* ring, float* scores, float* mixed) const;

 private:
  std::int64_t window_, heads_, hidden_;
  std::vector<float> bias_;
};

}  // namespace salus::models
