#pragma once

// A plan as the CUDA kernel reads it: one block of bytes with everything about the batch but the
// pixels, so that a call uploads once and launches once. No torch.

#include <cstddef>
#include <cstdint>

#include "kernels/image_preprocess_plan.h"

namespace salus::kernels::preprocess {

inline constexpr int kThreads = 256;
/// Consecutive source elements of one thread: one 128-bit load of 16-bit pixels.
inline constexpr int kPerThread = 8;
inline constexpr int kBlockElements = kThreads * kPerThread;

struct DeviceAxis {
  const std::int32_t* first;
  const std::int32_t* begin;
  const float* weight;
};

/// How the output of one image is cut into tiles, one thread block each. A block is `lines` groups
/// of `lanes` threads; a group makes `repeat` output rows in turn, `tile_width` columns each.
struct TilePlan {
  std::int32_t first_tile;    ///< of the launch
  std::int32_t resize_tiles;  ///< the tiles after these fill what the box leaves free
  std::int32_t tiles_across;
  std::int32_t tile_width;
  std::int32_t lanes;
  std::int32_t lines;
  std::int32_t repeat;
  std::int32_t
      chunks;  ///< steps that the source columns of one tile take; > 1 only for tile_width 1
  std::int32_t aligned;  ///< whether each source row has the same alignment
  std::int32_t phase;  ///< elements from the last multiple of kPerThread to the box's first element
};

struct DeviceImage {
  ImagePlan plan;
  TilePlan tile;
};

/// The kernel's argument. Pointers are addresses of the device.
struct DeviceBatch {
  const DeviceImage* images;
  const DeviceAxis* axes;
  std::int32_t count;
  std::int32_t tiles;
  OutputPlan output;
};

/// Bytes that pack() needs for the plan.
std::size_t packed_bytes(const Plan& plan);

/// Writes the plan to `host`, as it is to stand at address `device` (a multiple of 16).
DeviceBatch pack(const Plan& plan, void* host, const void* device);

/// The launcher of the CUDA half, "image_preprocess": runs `batch` on the current stream.
using PreprocessLaunch = void(int device, const DeviceBatch& batch);

}  // namespace salus::kernels::preprocess
