#pragma once

// Between batch_norm_act.cpp and its CPU half.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/batch_norm_act.h"
#include "kernels/device.h"

namespace salus::kernels {

/// A channels-last tensor as rows of whole vectors. A row is as many pixels as it takes, so that no
/// channel count leaves a rest at each pixel; the last row may be shorter. Rows are dealt out in
/// parts whose size depends on the shape alone: a sum has the same bits with any number of threads.
struct NormRows {
  std::int64_t channels = 0;
  std::int64_t pixels = 0;
  std::int64_t width = 0;  ///< values of a row, a multiple of `channels` and of kNormLanes
  std::int64_t full = 0;   ///< whole rows
  std::int64_t tail = 0;   ///< values of the last, shorter row; 0 = none
  std::int64_t part = 0;   ///< whole rows of a part, the last one may have fewer

  NormRows(std::int64_t pixels, std::int64_t channels);
  std::int64_t parts() const { return std::max<std::int64_t>(1, (full + part - 1) / part); }
};

inline constexpr std::int64_t kNormLanes = 16;

/// `values` [C] repeated to a row.
std::vector<float> norm_row(const NormRows& rows, const std::vector<float>& values);

/// How the gradient of v = bn(x) + residual follows from that of y = act(v).
enum class NormMask {
  kNone,   ///< it is the same
  kReluX,  ///< 0 where v, from x, is not above 0
  kReluY,  ///< 0 where y is not above 0
  kSiluX,  ///< times the slope of SiLU at v, from x
};

/// Memory of one operand in the dtype of the pixels.
struct NormForward {
  const void* x;
  const void* residual;  ///< null = none
  void* y;
  std::vector<float> scale, shift;  ///< rows: v = x scale + shift
  NormActivation activation;
};

struct NormBackward {
  const void* x;
  const void* dy;
  const void* y;  ///< kReluY only
  void* dv;       ///< kReluY only: the gradient of v is kept here; may be dy
  void* dx;       ///< may be dy
  NormMask mask;
  std::vector<float> mean, scale, shift;  ///< rows
  /// dx = dv slope + (x - mean) tilt + offset; rows.
  std::vector<float> slope, tilt, offset;
};

/// Sums over pixels, [C].
struct NormSums {
  std::vector<double> first, second;
};

/// Sums of (x - origin) and of its square; `origin` is a row.
NormSums norm_moments_cpu(bool bfloat16, const NormRows& rows, const void* x,
                          const std::vector<float>& origin);
void norm_forward_cpu(bool bfloat16, const NormRows& rows, const NormForward& forward);
/// Sums of the gradient dv of v, and of dv (x - mean).
NormSums norm_backward_sums_cpu(bool bfloat16, const NormRows& rows, const NormBackward& backward);
void norm_backward_cpu(bool bfloat16, const NormRows& rows, const NormBackward& backward);

}  // namespace salus::kernels
