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
  const double last = static_cast<double>(lut.entries.size()) - 1;
  const double index = std::round(value) - static_cast<double>(lut.first);
  return lut.entries[static_cast<std::size_t>(std::clamp(index, 0.0, last))];
}

double modality_value(const io::GrayscaleChain& chain, double stored) {
  if (chain.modality_lut) return lookup(*chain.modality_lut, stored);
  return chain.slope * stored + chain.intercept;
}

double linear(double x, double center, double width) {
  if (width <= 1) return x <= center - 0.5 ? 0 : 1;
  return std::clamp((x - (center - 0.5)) / (width - 1) + 0.5, 0.0, 1.0);
}

double windowed(double x, const io::VoiWindow& window, io::VoiFunction function) {
  const double from_center = (x - window.center) / window.width;
  switch (function) {
    case io::VoiFunction::kLinear:
      return linear(x, window.center, window.width);
    case io::VoiFunction::kLinearExact:
      return std::clamp(from_center + 0.5, 0.0, 1.0);
    case io::VoiFunction::kSigmoid:
      return 1 / (1 + std::exp(-4 * from_center));
  }
  return x;
}

/// Calls `f` with each stored value of a frame.
template <typename T, typename F>
void for_each_of(const io::Image& image, std::int64_t frame, const F& f) {
  const T* values = image.pixels.frame_as<T>(frame);
  for (std::int64_t i = 0; i < image.pixels.values_per_frame(); ++i) {
    f(static_cast<double>(values[i]));
  }
}

template <typename F>
void for_each_value(const io::Image& image, std::int64_t frame, const F& f) {
  switch (image.pixels.type) {
    case io::PixelType::kU8:
      return for_each_of<std::uint8_t>(image, frame, f);
    case io::PixelType::kI8:
      return for_each_of<std::int8_t>(image, frame, f);
    case io::PixelType::kU16:
      return for_each_of<std::uint16_t>(image, frame, f);
    case io::PixelType::kI16:
      return for_each_of<std::int16_t>(image, frame, f);
    case io::PixelType::kU32:
      return for_each_of<std::uint32_t>(image, frame, f);
    case io::PixelType::kI32:
      return for_each_of<std::int32_t>(image, frame, f);
    case io::PixelType::kF32:
      return for_each_of<float>(image, frame, f);
    case io::PixelType::kF64:
      return for_each_of<double>(image, frame, f);
  }
}

/// True of a stored value of `frame` that is padding.
auto padding_test(const io::Image& image, std::int64_t frame) {
  return [padding = image.padding_of(frame)](double stored) {
    return padding && stored >= padding->low && stored <= padding->high;
  };
}

using Chain = std::function<double(double)>;

/// One table for the whole chain: stored value -> [0, 1].
void use_table(const io::Image& image, const Chain& chain, PreprocessImage& out) {
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

/// The chain's values in place of the pixels, with -1, which no window gives, where they are
/// padding. NaN stays NaN.
void use_values(const io::Image& image, std::int64_t frame, const Chain& chain,
                PreprocessImage& out) {
  out.pixels = at::empty(out.pixels.sizes(), at::kFloat);
  out.window = Window::kNone;
  if (out.has_padding) out.padding_low = out.padding_high = -1;
  const auto is_padding = padding_test(image, frame);
  auto* to = out.pixels.mutable_data_ptr<float>();
  for_each_value(image, frame, [&](double stored) {
    const bool padding = out.has_padding && is_padding(stored);
    *to++ = static_cast<float>(padding ? -1 : std::isnan(stored) ? stored : chain(stored));
  });
}

/// A chain that is no affine function: a table where the stored values are few enough for one.
void use_chain(const io::Image& image, std::int64_t frame, const Chain& chain,
               PreprocessImage& out) {
  const bool narrow = !is_float(image) && io::size_of(image.pixels.type) <= 2;
  narrow ? use_table(image, chain, out) : use_values(image, frame, chain, out);
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

Range minmax_of(const io::Image& image, std::int64_t frame) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Range range{kInfinity, -kInfinity};
  const auto is_padding = padding_test(image, frame);
  for_each_value(image, frame, [&](double value) {
    if (!std::isfinite(value) || is_padding(value)) return;
    range.low = std::min(range.low, value);
    range.high = std::max(range.high, value);
  });
  return range.low <= range.high ? range : Range{0, 0};
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
    use_chain(
        image, frame,
        [&](double v) {
          return std::clamp((modality_value(chain, v) - values.low) / span, 0.0, 1.0);
        },
        out);
    return;
  }
  use_affine(chain, out);
  use_range(values, out);
}

void use_window(const io::Image& image, std::int64_t frame, const io::VoiWindow& window,
                io::VoiFunction function, PreprocessImage& out) {
  const auto& chain = image.chain(frame);
  if (chain.modality_lut) {
    use_chain(
        image, frame,
        [&](double v) { return windowed(modality_value(chain, v), window, function); }, out);
    return;
  }
  constexpr Window kWindows[] = {Window::kLinear, Window::kLinearExact, Window::kSigmoid};
  use_affine(chain, out);
  out.window = kWindows[static_cast<int>(function)];
  out.center = window.center;
  out.width = window.width;
}

}  // namespace

void use_fixed_window(const io::Image& image, std::int64_t frame, double center, double width,
                      PreprocessImage& out) {
  use_window(image, frame, {center, width, ""}, io::VoiFunction::kLinear, out);
}

void use_file_window(const io::Image& image, std::int64_t frame, PreprocessImage& out) {
  const auto& chain = image.chain(frame);
  if (!chain.voi_luts.empty() && !is_float(image)) {
    const auto& voi = chain.voi_luts[0];
    const double top = std::ldexp(1.0, voi.bits) - 1;
    use_chain(
        image, frame,
        [&](double v) { return std::min(1.0, lookup(voi, modality_value(chain, v)) / top); }, out);
    return;
  }
  if (chain.windows.empty()) return use_full_range(image, frame, out);
  use_window(image, frame, chain.windows[0], chain.function, out);
}

void use_full_range(const io::Image& image, std::int64_t frame, PreprocessImage& out) {
  if (is_float(image)) return use_minmax(image, frame, out);
  use_stored_range(image, frame, stored_range(image), out);
}

void use_minmax(const io::Image& image, std::int64_t frame, PreprocessImage& out) {
  use_stored_range(image, frame, minmax_of(image, frame), out);
}

}  // namespace salus::data
