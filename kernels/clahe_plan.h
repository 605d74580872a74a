#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/clahe_math.h"

namespace salus::kernels {

/// The table of every tile of an image, [tiles, levels] uint16, and behind it (CPU only) the lowest
/// and highest counted value of every tile: what stands in the workspace for one image.
inline std::size_t clahe_image_workspace(const ClahePlan& plan) {
  const auto tiles = static_cast<std::size_t>(plan.tiles());
  const std::size_t tables = tiles * static_cast<std::size_t>(plan.levels()) * 2;
  return (tables + tiles * 8 + 63) / 64 * 64;
}

/// The CPU half of clahe: `plan.count` images of `bytes` bytes a pixel (1 or 2), each with its
/// workspace.
void clahe_cpu(const ClahePlan& plan, int bytes, const void* in, void* out, void* workspace);

using ClaheLaunch = void(int device, const ClahePlan& plan, int bytes, const void* in, void* out,
                         void* workspace);

}  // namespace salus::kernels
