#include "engine/data/window.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace salus::data {
namespace {

using kernels::PreprocessImage;
using kernels::Window;

struct Range {
  double low = 0;
  double high = 1;
};

bool is_float(const io::Image& image) {
  return image.pixels.type == io::PixelType::kF32 || image.pixels.type == io::PixelType::kF64;
}

/// Values that a stored integer can take.
Range stored_range(const io::Image& image) {
  const double count = std::ldexp(1.0, image.bits_stored);
  if (image.is_signed) return {-count / 2, count / 2 - 1};
  return {0, count - 1};
}

double lookup(const io::LookupTable& lut, double value) {
  const auto last = static_cast<std::int64_t>(lut.entries.size()) - 1;
  const auto index = static_cast<std::int64_t>(std::llround(value)) - lut.first;
  return lut.entries[std::clamp<std::int64_t>(index, 0, last)];
}

double modality_value(const io::GrayscaleChain& chain, double stored) {
  if (chain.modality_lut) return lookup(*chain.modality_lut, stored);
  return chain.slope * stored + chain.intercept;
}

double linear(double x, double center, double width) {
  if (width <= 1) return x <= center - 0.5 ? 0 : 1;
  return std::clamp((x - (center - 0.5)) / (width - 1) + 0.5, 0.0, 1.0);
}

/// One table for the whole chain: stored value -> [0, 1].
void use_table(const io::Image& image, const std::function<double(double)>& chain,
               PreprocessImage& out) {
  const auto range = stored_range(image);
  const auto size = static_cast<std::int64_t>(range.high - range.low) + 1;
  out.window = Window::kTable;
  out.table_first = static_cast<std::int64_t>(range.low);
  out.table = at::empty({size}, at::kFloat);
  auto* entries = out.table.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < size; ++i) {
    entries[i] = static_cast<float>(chain(range.low + static_cast<double>(i)));
  }
}

void use_affine(const io::GrayscaleChain& chain, PreprocessImage& out) {
  out.slope = chain.slope;
  out.intercept = chain.intercept;
}

void use_range(Range range, PreprocessImage& out) {
  out.window = Window::kRange;
  out.center = (range.low + range.high) / 2;
  // A constant image has no range: any width maps it to one value.
  out.width = range.high > range.low ? range.high - range.low : 1;
}

template <typename T>
Range minmax_of(const io::Image& image, std::int64_t frame) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Range range{kInfinity, -kInfinity};
  const T* values = image.pixels.frame_as<T>(frame);
  for (std::int64_t i = 0; i < image.pixels.values_per_frame(); ++i) {
    const auto value = static_cast<double>(values[i]);
    if (!std::isfinite(value)) continue;
    if (image.padding && value >= image.padding->low && value <= image.padding->high) continue;
    range.low = std::min(range.low, value);
    range.high = std::max(range.high, value);
  }
  return range.low <= range.high ? range : Range{0, 0};
}

Range minmax_of(const io::Image& image, std::int64_t frame) {
  switch (image.pixels.type) {
    case io::PixelType::kU8:
      return minmax_of<std::uint8_t>(image, frame);
    case io::PixelType::kI8:
      return minmax_of<std::int8_t>(image, frame);
    case io::PixelType::kU16:
      return minmax_of<std::uint16_t>(image, frame);
    case io::PixelType::kI16:
      return minmax_of<std::int16_t>(image, frame);
    case io::PixelType::kU32:
      return minmax_of<std::uint32_t>(image, frame);
    case io::PixelType::kI32:
      return minmax_of<std::int32_t>(image, frame);
    case io::PixelType::kF32:
      return minmax_of<float>(image, frame);
    case io::PixelType::kF64:
      return minmax_of<double>(image, frame);
  }
  return {};
}

/// [low, high] of stored values -> the same in modality units, for a monotone chain.
void use_stored_range(const io::Image& image, std::int64_t frame, Range range,
                      PreprocessImage& out) {
  const auto& chain = image.chain(frame);
  const double a = modality_value(chain, range.low);
  const double b = modality_value(chain, range.high);
  Range values{std::min(a, b), std::max(a, b)};
  if (chain.modality_lut) {
    const double span = values.high > values.low ? values.high - values.low : 1;
    use_table(
        image,
        [&](double v) {
          return std::clamp((modality_value(chain, v) - values.low) / span, 0.0, 1.0);
        },
        out);
    return;
  }
  use_affine(chain, out);
  use_range(values, out);
}

}  // namespace

void use_fixed_window(const io::Image& image, std::int64_t frame, double center, double width,
                      PreprocessImage& out) {
  const auto& chain = image.chain(frame);
  if (chain.modality_lut) {
    use_table(
        image, [&](double v) { return linear(modality_value(chain, v), center, width); }, out);
    return;
  }
  use_affine(chain, out);
  out.window = Window::kLinear;
  out.center = center;
  out.width = width;
}

void use_file_window(const io::Image& image, std::int64_t frame, PreprocessImage& out) {
  const auto& chain = image.chain(frame);
  if (!chain.voi_luts.empty() && !is_float(image)) {
    const auto& voi = chain.voi_luts[0];
    const double top = std::ldexp(1.0, voi.bits) - 1;
    use_table(
        image, [&](double v) { return std::min(1.0, lookup(voi, modality_value(chain, v)) / top); },
        out);
    return;
  }
  if (chain.windows.empty()) return use_full_range(image, frame, out);
  const auto window = chain.windows[0];
  use_fixed_window(image, frame, window.center, window.width, out);
  if (chain.modality_lut) return;
  if (chain.function == io::VoiFunction::kLinearExact) out.window = Window::kLinearExact;
  if (chain.function == io::VoiFunction::kSigmoid) out.window = Window::kSigmoid;
}

void use_full_range(const io::Image& image, std::int64_t frame, PreprocessImage& out) {
  if (is_float(image)) return use_minmax(image, frame, out);
  use_stored_range(image, frame, stored_range(image), out);
}

void use_minmax(const io::Image& image, std::int64_t frame, PreprocessImage& out) {
  use_stored_range(image, frame, minmax_of(image, frame), out);
}

}  // namespace salus::data
