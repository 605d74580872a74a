#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace salus::report {

/// An 8-bit picture, rows from the top, [rows, columns, samples].
struct Picture {
  int rows = 0, columns = 0;
  int samples = 1;  ///< 1 grey, 3 RGB
  std::vector<std::uint8_t> pixels;
};

/// PNG bytes (ISO/IEC 15948), lossless. \throws Error if the sizes contradict each other or are 0.
std::vector<std::byte> encode_png(const Picture& picture);

/// Scaled down by area averaging so that no side is longer than `side`; smaller ones are scaled up
/// by a whole factor without smoothing, so that a 28-pixel picture can be seen.
/// \throws Error as encode_png() does, or if `side` is below 1.
Picture thumbnail(const Picture& picture, int side);

/// RFC 4648, with padding.
std::string base64(std::span<const std::byte> bytes);

/// "data:image/png;base64,..."
std::string png_data_uri(std::span<const std::byte> png);

}  // namespace salus::report
