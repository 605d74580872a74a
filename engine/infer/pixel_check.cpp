#include "engine/infer/pixel_check.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>

namespace salus::infer {
namespace {

/// Values whose exponent is all ones (IEEE 754): NaN and infinity. Counted without a branch, so that
/// the compiler makes vectors of it.
template <typename T, typename Bits>
std::int64_t not_finite(const T* values, std::int64_t count, Bits exponent) {
  std::int64_t found = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    found += (std::bit_cast<Bits>(values[i]) & exponent) == exponent ? 1 : 0;
  }
  return found;
}

std::int64_t not_finite(const io::Pixels& pixels, std::int64_t frame) {
  const std::int64_t count = pixels.values_per_frame();
  if (pixels.type == io::PixelType::kF32) {
    return not_finite(pixels.frame_as<float>(frame), count, std::uint32_t{0x7f800000});
  }
  if (pixels.type != io::PixelType::kF64) return 0;
  return not_finite(pixels.frame_as<double>(frame), count, std::uint64_t{0x7ff0000000000000});
}

template <typename T>
bool all_within(const io::Pixels& pixels, std::int64_t frame, const io::PaddingRange& padding) {
  const T* values = pixels.frame_as<T>(frame);
  return std::all_of(values, values + pixels.values_per_frame(), [&padding](T stored) {
    const auto value = static_cast<double>(stored);
    return value >= padding.low && value <= padding.high;
  });
}

bool is_padding(const io::Image& image, std::int64_t frame) {
  const auto& padding = image.padding_of(frame);
  if (!padding || image.pixels.samples != 1) return false;
  switch (image.pixels.type) {
    case io::PixelType::kU8:
      return all_within<std::uint8_t>(image.pixels, frame, *padding);
    case io::PixelType::kI8:
      return all_within<std::int8_t>(image.pixels, frame, *padding);
    case io::PixelType::kU16:
      return all_within<std::uint16_t>(image.pixels, frame, *padding);
    case io::PixelType::kI16:
      return all_within<std::int16_t>(image.pixels, frame, *padding);
    case io::PixelType::kU32:
      return all_within<std::uint32_t>(image.pixels, frame, *padding);
    case io::PixelType::kI32:
      return all_within<std::int32_t>(image.pixels, frame, *padding);
    case io::PixelType::kF32:
      return all_within<float>(image.pixels, frame, *padding);
    case io::PixelType::kF64:
      return all_within<double>(image.pixels, frame, *padding);
  }
  return false;
}

}  // namespace

std::vector<std::string> pixel_mismatches(const io::Image& image,
                                          const std::vector<std::int64_t>& frames) {
  if (!image.pixels.bytes || frames.empty()) return {};
  std::int64_t odd = 0, padded = 0;
  for (const std::int64_t frame : frames) {
    odd += not_finite(image.pixels, frame);
    padded += is_padding(image, frame) ? 1 : 0;
  }
  const auto count = static_cast<std::int64_t>(frames.size());
  std::vector<std::string> sentences;
  if (odd > 0) {
    sentences.push_back(fmt::format("{} of {} pixels are not numbers (NaN or infinite).", odd,
                                    count * image.pixels.values_per_frame()));
  }
  if (padded > 0) {
    sentences.push_back(
        count == 1 ? "All pixels are padding; there is no picture to score."
                   : fmt::format("{} of the {} frames to score are all padding.", padded, count));
  }
  return sentences;
}

}  // namespace salus::infer
