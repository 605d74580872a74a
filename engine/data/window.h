#pragma once

#include <cstdint>
#include <optional>

#include "engine/io/image.h"
#include "kernels/image_preprocess.h"

namespace salus::data {

/// Sets slope, intercept and window of `out`, which has its pixels and padding, from what one
/// frame's file says. Where a lookup table is in the chain, this sets a table for pixels of at most
/// 16 bits, and puts final float32 values in place of wider and float pixels. Four choices of
/// window:

/// Given centre and width in modality units, by the function LINEAR of PS3.3 C.11.2.1.2.1.
void use_fixed_window(const io::Image& image, std::int64_t frame, double center, double width,
                      kernels::PreprocessImage& out);

/// The file's first VOI LUT, else its first window with its function, else the full range.
void use_file_window(const io::Image& image, std::int64_t frame, kernels::PreprocessImage& out);

/// All values that BitsStored can hold; float pixels: minimum to maximum.
void use_full_range(const io::Image& image, std::int64_t frame, kernels::PreprocessImage& out);

/// Minimum to maximum of the frame, padding and NaN left out; a constant frame becomes 0.
void use_minmax(const io::Image& image, std::int64_t frame, kernels::PreprocessImage& out);

}  // namespace salus::data
