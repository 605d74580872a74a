#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/histogram_math.h"

namespace salus::kernels {

/// One batch of images, and the parameters of histogram_equalize() as numbers.
struct EqualizePlan : HistogramBins {
  int count = 0;
  int pixels = 0;  ///< of an image
};

/// The workspace: counts uint32 [count, levels], then tables uint16 [count, levels].
inline std::size_t equalize_counts_bytes(const EqualizePlan& plan) {
  return static_cast<std::size_t>(plan.count) * static_cast<std::size_t>(plan.levels()) * 4;
}
inline std::size_t equalize_workspace(const EqualizePlan& plan) {
  return (equalize_counts_bytes(plan) / 2 * 3 + 15) / 16 * 16;
}

/// The CPU half: images of `bytes` bytes a pixel (1 or 2).
void histogram_equalize_cpu(const EqualizePlan& plan, int bytes, const void* in, void* out,
                            void* workspace);

using EqualizeLaunch = void(int device, const EqualizePlan& plan, int bytes, const void* in,
                            void* out, void* workspace);

}  // namespace salus::kernels
