#include "tests/support/reference/image_preprocess.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

namespace salus::reference {
namespace {

using kernels::Box;
using kernels::Fit;
using kernels::PreprocessImage;
using kernels::PreprocessSpec;
using kernels::Resize;
using kernels::Window;

/// Rows x columns x components of doubles.
struct Picture {
  long height = 0, width = 0, components = 1;
  std::vector<double> values;
  Picture(long h, long w, long c)
      : height(h), width(w), components(c), values(static_cast<std::size_t>(h * w * c)) {}
  double& at(long y, long x, long c) {
    return values[static_cast<std::size_t>((y * width + x) * components + c)];
  }
};

double stored_value(const at::Tensor& pixels, long index) {
  const auto read = [&](auto zero) {
    return static_cast<double>(static_cast<const decltype(zero)*>(pixels.const_data_ptr())[index]);
  };
  switch (pixels.scalar_type()) {
    case at::kByte:
      return read(std::uint8_t{});
    case at::kChar:
      return read(std::int8_t{});
    case at::kUInt16:
      return read(std::uint16_t{});
    case at::kShort:
      return read(std::int16_t{});
    default:
      return read(float{});
  }
}

/// PS3.3 C.11.2.1.2.1, as it is printed there, for ymin = 0 and ymax = 1.
double linear(double x, double c, double w) {
  if (x <= c - 0.5 - (w - 1) / 2) return 0;
  if (x > c - 0.5 + (w - 1) / 2) return 1;
  return (x - (c - 0.5)) / (w - 1) + 0.5;
}

/// PS3.3 C.11.2.1.3.2.
double linear_exact(double x, double c, double w) {
  if (x <= c - w / 2) return 0;
  if (x > c + w / 2) return 1;
  return (x - c) / w + 0.5;
}

double table_value(const PreprocessImage& image, double stored) {
  const double last = static_cast<double>(image.table.size(0) - 1);
  const double index = std::clamp(stored - static_cast<double>(image.table_first), 0.0, last);
  return image.table.const_data_ptr<float>()[static_cast<long>(index)];
}

double windowed(const PreprocessImage& image, double stored) {
  if (std::isnan(stored)) return stored;
  const double x = image.slope * stored + image.intercept;
  const double low = image.center - image.width / 2, high = image.center + image.width / 2;
  switch (image.window) {
    case Window::kLinear:
      return linear(x, image.center, image.width);
    case Window::kLinearExact:
      return linear_exact(x, image.center, image.width);
    case Window::kSigmoid:
      return 1 / (1 + std::exp(-4 * (x - image.center) / image.width));
    case Window::kRange:
      return std::clamp((x - low) / (high - low), 0.0, 1.0);
    case Window::kTable:
      return table_value(image, stored);
    case Window::kNone:
      break;
  }
  return x;
}

double display_value(const PreprocessImage& image, double pad_value, double stored) {
  const bool padding =
      image.has_padding && stored >= image.padding_low && stored <= image.padding_high;
  if (padding) return pad_value;
  const double value = windowed(image, stored);
  return image.invert ? 1 - value : value;
}

/// The box of an image, windowed.
Picture window_box(const PreprocessImage& image, double pad_value) {
  const at::Tensor& pixels = image.pixels;
  Box box = image.box;
  if (box.height == 0) box = {0, 0, pixels.size(0), pixels.size(1)};
  const long components = pixels.dim() == 3 ? 3 : 1;
  Picture out(box.height, box.width, components);
  for (long y = 0; y < box.height; ++y) {
    for (long x = 0; x < box.width; ++x) {
      for (long c = 0; c < components; ++c) {
        const long index = ((box.top + y) * pixels.size(1) + box.left + x) * components + c;
        out.at(y, x, c) = display_value(image, pad_value, stored_value(pixels, index));
      }
    }
  }
  return out;
}

/// Weight of source pixel `x` in output pixel `o` of `target`, not yet normalised.
double filter_weight(Resize resize, long x, long o, long source, long target) {
  const double scale = static_cast<double>(source) / static_cast<double>(target);
  const double center = (static_cast<double>(o) + 0.5) * scale;  // in source edges
  const double at = static_cast<double>(x) + 0.5;
  switch (resize) {
    case Resize::kNearest:
      return x == std::min(source - 1, o * source / target) ? 1 : 0;
    case Resize::kArea: {
      const double low = static_cast<double>(o) * scale, high = low + scale;
      return std::max(0.0, std::min(high, at + 0.5) - std::max(low, at - 0.5));
    }
    case Resize::kBilinearAntialias:
      return std::max(0.0, 1 - std::abs(at - center) / std::max(scale, 1.0));
    default: {
      const double clamped = std::clamp(center, 0.5, static_cast<double>(source) - 0.5);
      return std::max(0.0, 1 - std::abs(at - clamped));
    }
  }
}

/// All weights of one output pixel; rounding noise (an area edge that meets a pixel edge) is zero.
std::vector<double> filter(Resize resize, long o, long source, long target) {
  if (resize == Resize::kArea && target > source) resize = Resize::kBilinear;
  std::vector<double> weights(static_cast<std::size_t>(source));
  double sum = 0;
  for (long x = 0; x < source; ++x) {
    double& weight = weights[static_cast<std::size_t>(x)];
    weight = filter_weight(resize, x, o, source, target);
    if (weight < 1e-9) weight = 0;
    sum += weight;
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

/// Sum over the taps that are not zero, so that NaN outside the filter stays outside.
double tap_sum(const std::vector<double>& weights, const std::function<double(long)>& value) {
  double sum = 0;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    if (weights[k] != 0) sum += weights[k] * value(static_cast<long>(k));
  }
  return sum;
}

/// Output pixels [skip_y, skip_y + height) x [skip_x, ...) of `in` resized to full_y x full_x.
Picture resized(Picture in, Resize resize, long full_y, long full_x, long height, long width) {
  const long skip_y = (full_y - height) / 2, skip_x = (full_x - width) / 2;
  Picture wide(in.height, width, in.components), out(height, width, in.components);
  for (long o = 0; o < width; ++o) {
    const auto weights = filter(resize, o + skip_x, in.width, full_x);
    for (long y = 0; y < in.height; ++y) {
      for (long c = 0; c < in.components; ++c) {
        wide.at(y, o, c) = tap_sum(weights, [&](long x) { return in.at(y, x, c); });
      }
    }
  }
  for (long o = 0; o < height; ++o) {
    const auto weights = filter(resize, o + skip_y, in.height, full_y);
    for (long x = 0; x < width; ++x) {
      for (long c = 0; c < in.components; ++c) {
        out.at(o, x, c) = tap_sum(weights, [&](long y) { return wide.at(y, x, c); });
      }
    }
  }
  return out;
}

/// Resized, and centred on a canvas of the output's size that is `pad_value` elsewhere.
Picture fitted(const Picture& box, const PreprocessSpec& spec) {
  const double ratio_y = static_cast<double>(spec.height) / static_cast<double>(box.height);
  const double ratio_x = static_cast<double>(spec.width) / static_cast<double>(box.width);
  long full_y = spec.height, full_x = spec.width;
  if (spec.fit != Fit::kStretch) {
    const double ratio =
        spec.fit == Fit::kPad ? std::min(ratio_y, ratio_x) : std::max(ratio_y, ratio_x);
    full_y = std::max(1L, std::lround(static_cast<double>(box.height) * ratio));
    full_x = std::max(1L, std::lround(static_cast<double>(box.width) * ratio));
  }
  const long height = std::min<long>(full_y, spec.height);
  const long width = std::min<long>(full_x, spec.width);
  Picture small = resized(box, spec.resize, full_y, full_x, height, width);
  Picture out(spec.height, spec.width, box.components);
  std::fill(out.values.begin(), out.values.end(), spec.pad_value);
  const long top = (spec.height - height) / 2, left = (spec.width - width) / 2;
  for (long y = 0; y < height; ++y) {
    for (long x = 0; x < width; ++x) {
      for (long c = 0; c < box.components; ++c) out.at(top + y, left + x, c) = small.at(y, x, c);
    }
  }
  return out;
}

double channel_value(Picture& picture, long y, long x, long c, long channels) {
  if (picture.components == 1) return picture.at(y, x, 0);
  if (channels == 3) return picture.at(y, x, c);
  return 0.299 * picture.at(y, x, 0) + 0.587 * picture.at(y, x, 1) + 0.114 * picture.at(y, x, 2);
}

double of_channel(const std::vector<double>& values, long c, double otherwise) {
  if (values.empty()) return otherwise;
  return values.size() == 1 ? values[0] : values[static_cast<std::size_t>(c)];
}

double unit_in_last_place(double value, at::ScalarType type) {
  const int mantissa = type == at::kFloat ? 23 : type == at::kHalf ? 10 : 7;
  const int smallest = type == at::kHalf ? -14 : -126;
  if (value == 0 || !std::isfinite(value)) return std::ldexp(1, smallest - mantissa);
  return std::ldexp(1, std::max(std::ilogb(value), smallest) - mantissa);
}

double output_value(const at::Tensor& out, long index) {
  const void* data = out.const_data_ptr();
  if (out.scalar_type() == at::kFloat) return static_cast<const float*>(data)[index];
  if (out.scalar_type() == at::kHalf)
    return static_cast<float>(static_cast<const at::Half*>(data)[index]);
  return static_cast<float>(static_cast<const at::BFloat16*>(data)[index]);
}

}  // namespace

std::vector<double> image_preprocess(const std::vector<PreprocessImage>& images,
                                     const PreprocessSpec& spec) {
  std::vector<double> out;
  for (const PreprocessImage& image : images) {
    Picture picture = fitted(window_box(image, spec.pad_value), spec);
    for (long c = 0; c < spec.channels; ++c) {
      const double mean = of_channel(spec.mean, c, 0), stddev = of_channel(spec.stddev, c, 1);
      for (long y = 0; y < spec.height; ++y) {
        for (long x = 0; x < spec.width; ++x) {
          out.push_back((channel_value(picture, y, x, c, spec.channels) - mean) / stddev);
        }
      }
    }
  }
  return out;
}

std::string difference(const at::Tensor& actual, const std::vector<double>& expected,
                       double magnitude) {
  if (actual.numel() != static_cast<long>(expected.size())) return "another number of values";
  std::string worst;
  double worst_excess = 0;
  for (long i = 0; i < actual.numel(); ++i) {
    const double want = expected[static_cast<std::size_t>(i)], got = output_value(actual, i);
    if (std::isnan(want) && std::isnan(got)) continue;
    if (want == got) continue;
    const double bound = unit_in_last_place(want, actual.scalar_type()) + 1e-5 * magnitude;
    const double excess = std::abs(want - got) / bound;
    if (excess <= 1) continue;
    if (!(excess <= worst_excess)) {
      worst = fmt::format("value {}: {:.9g} instead of {:.9g}", i, got, want);
      worst_excess = excess;
    }
  }
  return worst;
}

}  // namespace salus::reference
