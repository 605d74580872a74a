#include "engine/io/dicom_color.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/io/dicom_palette.h"

namespace salus::io::dicom {
namespace {

/// Rows of the inverse of the matrices in PS3.3 C.7.6.3.1.2: weights of Y, Cb, Cr.
struct YbrMatrix {
  double y, r_cr, g_cb, g_cr, b_cb;
};
constexpr YbrMatrix kFull{1.0, 1.402, -0.114 * 1.772 / 0.587, -0.299 * 1.402 / 0.587, 1.772};
constexpr YbrMatrix kPartial{1.1644, 1.5966, -0.3920, -0.8132, 2.0184};

template <typename T>
void convert(T* values, std::int64_t pixels, int bits, bool partial) {
  const YbrMatrix& m = partial ? kPartial : kFull;
  const double chroma = std::ldexp(1.0, bits - 1), most = std::ldexp(1.0, bits) - 1;
  const double black = partial ? std::ldexp(16.0, bits - 8) : 0;
  const auto rounded = [most](double v) {
    return static_cast<T>(std::clamp(std::floor(v + 0.5), 0.0, most));
  };
  for (std::int64_t i = 0; i < pixels; ++i, values += 3) {
    const double y = (values[0] - black) * m.y, cb = values[1] - chroma, cr = values[2] - chroma;
    values[0] = rounded(y + m.r_cr * cr);
    values[1] = rounded(y + m.g_cb * cb + m.g_cr * cr);
    values[2] = rounded(y + m.b_cb * cb);
  }
}

template <typename In, typename Out>
void look_up(const Pixels& in, const Palette& palette, Out* out) {
  const In* indices = reinterpret_cast<const In*>(in.bytes->data());
  const std::int64_t count = in.frames * in.rows * in.columns;
  const auto last = static_cast<std::int64_t>(palette.channels[0].size()) - 1;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<std::size_t>(
        std::clamp<std::int64_t>(std::int64_t{indices[i]} - palette.first, 0, last));
    for (std::size_t c = 0; c < 3; ++c) *out++ = static_cast<Out>(palette.channels[c][at]);
  }
}

template <typename Out>
void look_up_any(const Pixels& in, const Palette& palette, Out* out) {
  switch (in.type) {
    case PixelType::kU8:
      return look_up<std::uint8_t>(in, palette, out);
    case PixelType::kI8:
      return look_up<std::int8_t>(in, palette, out);
    case PixelType::kU16:
      return look_up<std::uint16_t>(in, palette, out);
    case PixelType::kI16:
      return look_up<std::int16_t>(in, palette, out);
    case PixelType::kU32:
      return look_up<std::uint32_t>(in, palette, out);
    default:
      return look_up<std::int32_t>(in, palette, out);
  }
}

}  // namespace

void ybr_to_rgb(std::byte* values, std::int64_t pixels, PixelType type, int bits, bool partial) {
  switch (size_of(type)) {
    case 1:
      return convert(reinterpret_cast<std::uint8_t*>(values), pixels, bits, partial);
    case 2:
      return convert(reinterpret_cast<std::uint16_t*>(values), pixels, bits, partial);
    default:
      return convert(reinterpret_cast<std::uint32_t*>(values), pixels, bits, partial);
  }
}

void apply_palette(ParsedFile& file, const PixelLayout& layout, Image& image) {
  const Palette palette = read_palette(file, layout.is_signed);
  Pixels rgb = image.pixels;
  rgb.type = palette.bits > 8 ? PixelType::kU16 : PixelType::kU8;
  rgb.samples = 3;
  image.bits_stored = palette.bits > 8 ? 16 : 8;
  image.is_signed = false;
  if (image.pixels.bytes) {
    rgb.bytes = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(rgb.frames) *
                                                         rgb.bytes_per_frame());
    if (rgb.type == PixelType::kU16) {
      look_up_any(image.pixels, palette, reinterpret_cast<std::uint16_t*>(rgb.bytes->data()));
    } else {
      look_up_any(image.pixels, palette, reinterpret_cast<std::uint8_t*>(rgb.bytes->data()));
    }
  }
  image.pixels = std::move(rgb);
}

}  // namespace salus::io::dicom
