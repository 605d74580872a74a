#include "engine/io/raster.h"

#include <fmt/core.h>

#include "engine/io/error.h"
#include "engine/io/numbers.h"

namespace salus::io {
namespace {

constexpr std::uint16_t kOrientationTag = 274;

}  // namespace

Image make_image(const std::string& format, PixelType type, std::int64_t frames, std::int64_t rows,
                 std::int64_t columns, std::int64_t samples) {
  Image image;
  image.format = format;
  image.pixels = {type, frames, rows, columns, samples, nullptr};
  image.bits_stored = static_cast<int>(8 * size_of(type));
  image.is_signed = type != PixelType::kU8 && type != PixelType::kU16 && type != PixelType::kU32;
  image.gray.resize(1);
  return image;
}

std::int64_t checked_pixel_bytes(const Image& image, const std::string& origin,
                                 const ReadLimits& limits) {
  const Pixels& p = image.pixels;
  const std::int64_t shape[] = {p.frames, p.rows, p.columns, p.samples};
  const std::int64_t bytes = checked_bytes(shape, static_cast<std::int64_t>(size_of(p.type)));
  if (bytes == 0 || p.rows < 0 || p.columns < 0 || p.frames < 0) {
    throw Error(fmt::format("{} has no pixels: its size is {} x {} with {} frames.", origin, p.rows,
                            p.columns, p.frames));
  }
  if (bytes < 0 || bytes > limits.max_pixel_bytes) {
    throw Error(
        fmt::format("{} has {} frames of {} x {} pixels, more than the {} bytes allowed for "
                    "one file; split it or raise the limit.",
                    origin, p.frames, p.rows, p.columns, limits.max_pixel_bytes));
  }
  return bytes;
}

int exif_orientation(std::span<const std::byte> tiff) {
  if (tiff.size() < 8) return 1;
  const bool little = load_le<std::uint16_t>(tiff, 0) == 0x4949;
  if (!little && load_le<std::uint16_t>(tiff, 0) != 0x4d4d) return 1;
  const auto u16 = [&](std::size_t at) -> std::size_t {
    return little ? load_le<std::uint16_t>(tiff, at) : load_be<std::uint16_t>(tiff, at);
  };
  const std::size_t directory =
      little ? load_le<std::uint32_t>(tiff, 4) : load_be<std::uint32_t>(tiff, 4);
  if (directory > tiff.size() - 2) return 1;
  const std::size_t count = u16(directory);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t entry = directory + 2 + 12 * i;
    if (entry + 12 > tiff.size()) return 1;
    if (u16(entry) != kOrientationTag) continue;
    const auto value = static_cast<int>(u16(entry + 8));
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

std::string orientation_warning(int orientation) {
  return fmt::format(
      "EXIF asks for orientation {}, which is not applied; the pixels are as stored.", orientation);
}

}  // namespace salus::io
