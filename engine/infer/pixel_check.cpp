#include "engine/infer/pixel_check.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <type_traits>

namespace salus::infer {
namespace {

/// Values whose exponent is all ones (IEEE 754) in the float32 that is scored: NaN and infinity. Counted
/// without a branch, so that the compiler makes vectors of it.
template <typename T>
std::int64_t not_finite(const T* values, std::int64_t count) {
  constexpr std::uint32_t kExponent = 0x7f800000;
  std::int64_t found = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(values[i]));
    found += (bits & kExponent) == kExponent ? 1 : 0;
  }
  return found;
}

std::int64_t not_finite(const io::Pixels& pixels, std::int64_t frame) {
  const std::int64_t count = pixels.values_per_frame();
  if (pixels.type == io::PixelType::kF32) {
    return not_finite(pixels.frame_as<float>(frame), count);
  }
  if (pixels.type != io::PixelType::kF64) return 0;
  return not_finite(pixels.frame_as<double>(frame), count);
}

template <typename T>
bool all_within(const io::Pixels& pixels, std::int64_t frame, const io::PaddingRange& padding) {
  const T* values = pixels.frame_as<T>(frame);
  // As scored: what is wider than 16 bits becomes float32.
  using Scored = std::conditional_t<sizeof(T) <= 2, double, float>;
  const auto low = static_cast<Scored>(padding.low), high = static_cast<Scored>(padding.high);
  return std::all_of(values, values + pixels.values_per_frame(), [=](T stored) {
    const auto value = static_cast<Scored>(stored);
    return value >= low && value <= high;
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

std::vector<std::string> image_mismatches(const Acceptance& accepts, const io::Image& image,
                                          const std::vector<std::int64_t>& frames) {
  std::vector<std::string> sentences = accepts.mismatches(image);
  for (auto& sentence : pixel_mismatches(image, frames)) sentences.push_back(std::move(sentence));
  return sentences;
}

}  // namespace salus::infer
