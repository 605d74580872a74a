#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "kernels/panels.h"

namespace salus::kernels {

/// y = x W^T + b in float32 for a few rows at a time on one core: what a network that takes series
/// bin by bin is made of.
///
/// Outputs are padded by zeros to whole vectors, gate by gate. A row of y has the same bits in any
/// company. Const and thread-safe; a call neither allocates nor starts threads.
class PackedLinear {
 public:
  /// \param weight  float32 [gates * H, inputs] on the CPU. \param bias  [gates * H], or undefined: 0.
  /// \throws c10::Error if shapes, dtypes or devices are not as stated.
  PackedLinear(const at::Tensor& weight, const at::Tensor& bias, std::int64_t gates = 1);

  std::int64_t inputs() const { return weight_.depth; }
  /// Floats of a row of y: gates times H rounded up to 16.
  std::int64_t row() const { return weight_.columns; }

  /// \param x  [rows, inputs()], `x_row` floats from one row to the next. \param y  [rows, row()].
  void operator()(std::int64_t rows, const float* x, std::int64_t x_row, float* y) const;

 private:
  Panels weight_;
  AlignedFloats bias_;
};

}  // namespace salus::kernels
