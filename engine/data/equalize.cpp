#include "engine/data/equalize.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "engine/io/error.h"
#include "kernels/clahe.h"
#include "kernels/histogram_equalize.h"

namespace salus::data {
namespace {

constexpr double kMostTiles = 1024;

/// Stored values as levels from 0 to 2^bits - 1, in their order.
template <typename Stored, typename Level>
at::Tensor levels_of(const io::Pixels& pixels, std::int64_t frame, int offset, int top,
                     at::ScalarType type) {
  at::Tensor levels = at::empty({pixels.rows, pixels.columns}, type);
  const Stored* from = pixels.frame_as<Stored>(frame);
  auto* to = static_cast<Level*>(levels.mutable_data_ptr());
  for (std::int64_t i = 0; i < pixels.values_per_frame(); ++i) {
    to[i] = static_cast<Level>(std::clamp(static_cast<int>(from[i]) + offset, 0, top));
  }
  return levels;
}

at::Tensor levels_of(const io::Image& image, std::int64_t frame,
                     const at::Tensor& unsigned_pixels) {
  const int offset = 1 << (image.bits_stored - 1);
  const int top = 2 * offset - 1;
  if (image.pixels.type == io::PixelType::kI8) {
    return levels_of<std::int8_t, std::uint8_t>(image.pixels, frame, offset, top, at::kByte);
  }
  if (image.pixels.type == io::PixelType::kI16) {
    return levels_of<std::int16_t, std::uint16_t>(image.pixels, frame, offset, top, at::kUInt16);
  }
  return unsigned_pixels;
}

void check(const io::Image& image) {
  using io::PixelType;
  const PixelType type = image.pixels.type;
  if (image.pixels.samples != 1) {
    throw Error(
        "The transform equalizes the histogram, which is for grayscale images; this one has "
        "colour.");
  }
  const bool fits = type == PixelType::kU8 || type == PixelType::kI8 || type == PixelType::kU16 ||
                    type == PixelType::kI16;
  const int most = static_cast<int>(8 * io::size_of(type));
  if (!fits || image.bits_stored < 1 || image.bits_stored > most) {
    throw Error(fmt::format(
        "The transform equalizes the histogram, which needs integer pixels of 1 to 16 bits; this "
        "image has {} bits of type {}.",
        image.bits_stored, io::numpy_name(type)));
  }
}

/// True if higher stored values mean lower modality values.
bool is_falling(const io::GrayscaleChain& chain) {
  if (!chain.modality_lut) return chain.slope < 0;
  const auto& entries = chain.modality_lut->entries;
  return !entries.empty() && entries.back() < entries.front();
}

/// Inclusive range of levels.
struct LevelRange {
  std::int64_t low, high;
};

/// The padding of a frame in levels, if some of it lies among them.
std::optional<LevelRange> padding_of(const io::Image& image, std::int64_t frame) {
  const auto& stored = image.padding_of(frame);
  if (!stored) return std::nullopt;
  const double count = std::ldexp(1.0, image.bits_stored);
  const double offset = image.is_signed ? count / 2 : 0;
  const double low = std::max(stored->low + offset, 0.0);
  const double high = std::min(stored->high + offset, count - 1);
  if (low > high) return std::nullopt;
  return LevelRange{static_cast<std::int64_t>(low), static_cast<std::int64_t>(high)};
}

/// float32 of `values`, with -1 where `levels` are padding: no equalised value is that.
template <typename T>
at::Tensor mark_padding(const at::Tensor& levels, const at::Tensor& values,
                        const LevelRange& padding) {
  at::Tensor marked = at::empty(values.sizes(), at::kFloat);
  const auto* before = static_cast<const T*>(levels.const_data_ptr());
  const auto* after = static_cast<const T*>(values.const_data_ptr());
  auto* to = marked.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    const bool is_padding = before[i] >= padding.low && before[i] <= padding.high;
    to[i] = is_padding ? -1.0F : static_cast<float>(after[i]);
  }
  return marked;
}

}  // namespace

Equalize::Equalize(const Config& transform) {
  const std::string kind = transform.get_choice("equalize", {"none", "clahe", "histogram"}, "none");
  for (const char* key : {"equalize_clip", "equalize_tiles"}) {
    if (kind != "clahe" && transform.has(key)) {
      throw UsageError(fmt::format("{} belongs to equalize = \"clahe\", and equalize is \"{}\".",
                                   transform.where(key), kind));
    }
  }
  if (kind == "none") return;
  kind_ = kind == "clahe" ? Kind::kClahe : Kind::kHistogram;
  if (transform.is_list("window") || transform.get_string("window", "full") != "full") {
    throw UsageError(fmt::format(
        "{} must be \"full\" beside equalize: equalized values have no unit that a window could be "
        "given in.",
        transform.where("window")));
  }
  if (kind_ == Kind::kHistogram) return;
  clip_ = transform.get_double("equalize_clip", 2);
  if (!(clip_ >= 0 && std::isfinite(clip_))) {
    throw UsageError(fmt::format("{} must not be negative.", transform.where("equalize_clip")));
  }
  const auto tiles = transform.get_doubles("equalize_tiles", {8, 8});
  const auto is_count = [](double n) { return n >= 1 && n <= kMostTiles && n == std::floor(n); };
  if (tiles.size() != 2 || !is_count(tiles[0]) || !is_count(tiles[1])) {
    throw UsageError(
        fmt::format("{} must be [below, beside] each other, whole numbers from 1 to {}.",
                    transform.where("equalize_tiles"), kMostTiles));
  }
  tiles_y_ = static_cast<std::int64_t>(tiles[0]);
  tiles_x_ = static_cast<std::int64_t>(tiles[1]);
}

at::Tensor Equalize::equalized(const at::Tensor& levels, int bits, std::int64_t ignore_low,
                               std::int64_t ignore_high) const {
  if (kind_ == Kind::kHistogram) {
    return kernels::histogram_equalize(levels, {bits, ignore_low, ignore_high});
  }
  return kernels::clahe(levels, {clip_, tiles_x_, tiles_y_, bits, ignore_low, ignore_high});
}

void Equalize::apply(const io::Image& image, std::int64_t frame,
                     kernels::PreprocessImage& out) const {
  check(image);
  const at::Tensor levels = levels_of(image, frame, out.pixels);
  const auto padding = padding_of(image, frame);
  const at::Tensor values = equalized(levels, image.bits_stored, padding ? padding->low : 0,
                                      padding ? padding->high : -1);
  out.pixels = values;
  out.has_padding = padding.has_value();
  if (padding) {
    out.pixels = levels.scalar_type() == at::kByte
                     ? mark_padding<std::uint8_t>(levels, values, *padding)
                     : mark_padding<std::uint16_t>(levels, values, *padding);
    out.padding_low = out.padding_high = -1;
  }
  out.invert = image.monochrome1 != is_falling(image.chain(frame));
  const double top = std::ldexp(1.0, image.bits_stored) - 1;
  out.window = kernels::Window::kRange;
  out.center = top / 2;
  out.width = top;
}

}  // namespace salus::data
