#pragma once

#include <string>

#include "engine/io/image.h"

namespace salus::io {

/// A NumPy array as an image: [H, W], [frames, H, W], [H, W, 3] or [H, W, 1] (a last extent of 3 or
/// 1 is samples), [frames, H, W, 3 or 1]. Booleans are 0 and 1, float16 becomes float32, and 64-bit
/// integers are read where they fit 32 bits.
/// \throws salus::Error naming the file: another shape or dtype, damaged, over `limits`.
Image read_npy_image(const std::string& path, const ReadLimits& limits, bool with_pixels);

/// The same of a NumPy archive (.npz) that holds one array.
/// \throws salus::Error also for one with several arrays, naming them, and for any other archive.
Image read_npz_image(const std::string& path, const ReadLimits& limits, bool with_pixels);

}  // namespace salus::io
