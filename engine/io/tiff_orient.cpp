#include "engine/io/tiff_orient.h"

#include <cstring>

namespace salus::io {

void apply_orientation(Pixels& pixels, int orientation) {
  if (orientation < 2 || orientation > 8) return;
  const bool swap = orientation >= 5;
  // Where stored row 0 and column 0 lie: the clauses of TIFF 6.0, Orientation.
  const bool from_right =
      orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const bool from_bottom =
      orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  Pixels turned = pixels;
  if (swap) std::swap(turned.rows, turned.columns);
  if (pixels.bytes) {
    turned.bytes = std::make_shared<std::vector<std::byte>>(pixels.bytes->size());
    const std::size_t item = size_of(pixels.type) * static_cast<std::size_t>(pixels.samples);
    std::byte* out = turned.bytes->data();
    for (std::int64_t f = 0; f < turned.frames; ++f) {
      for (std::int64_t y = 0; y < turned.rows; ++y) {
        for (std::int64_t x = 0; x < turned.columns; ++x, out += item) {
          const std::int64_t v = from_bottom ? turned.rows - 1 - y : y;
          const std::int64_t h = from_right ? turned.columns - 1 - x : x;
          const std::int64_t at = swap ? h * pixels.columns + v : v * pixels.columns + h;
          std::memcpy(out, pixels.frame(f) + static_cast<std::size_t>(at) * item, item);
        }
      }
    }
  }
  pixels = turned;
}

}  // namespace salus::io
