#include "kernels/image_preprocess_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "kernels/image_preprocess_plan_build.h"

namespace salus::kernels::preprocess {
namespace {

/// One axis of the resize: `source` pixels become `full`, of which [skip, skip + count) are shown,
/// `before` pixels into the output.
struct AxisGeometry {
  std::int64_t source, full, skip, count, before;
};

/// Adds one output pixel, leaving out the zero taps at both ends.
void push_taps(Axis& axis, std::int64_t first, const std::vector<double>& weights) {
  std::size_t low = 0, high = weights.size();
  while (high - low > 1 && weights[low] == 0) ++low;
  while (high - low > 1 && weights[high - 1] == 0) --high;
  axis.first.push_back(static_cast<std::int32_t>(first + static_cast<std::int64_t>(low)));
  for (std::size_t k = low; k < high; ++k) axis.weight.push_back(static_cast<float>(weights[k]));
  axis.begin.push_back(static_cast<std::int32_t>(axis.weight.size()));
}

/// Exact: in units of 1 / full source pixels, pixel x is [x full, (x + 1) full) and output o is
/// [o source, (o + 1) source), all whole numbers.
void push_area(Axis& axis, std::int64_t source, std::int64_t full, std::int64_t o,
               std::vector<double>& weights) {
  const std::int64_t low = o * source, high = low + source;
  const std::int64_t first = low / full, end = (high + full - 1) / full;
  weights.clear();
  for (std::int64_t x = first; x < end; ++x) {
    const std::int64_t covered = std::min(high, (x + 1) * full) - std::max(low, x * full);
    weights.push_back(static_cast<double>(covered) / static_cast<double>(source));
  }
  push_taps(axis, first, weights);
}

void push_bilinear(Axis& axis, std::int64_t source, std::int64_t full, std::int64_t o,
                   std::vector<double>& weights) {
  const double scale = static_cast<double>(source) / static_cast<double>(full);
  const double last = static_cast<double>(source - 1);
  const double x = std::clamp((static_cast<double>(o) + 0.5) * scale - 0.5, 0.0, last);
  const double first = std::floor(x);
  weights = {1 - (x - first), x - first};
  push_taps(axis, static_cast<std::int64_t>(first), weights);
}

/// Pillow's filter of the same name: a triangle of half-width max(scale, 1), cut at the edges and
/// made to sum to 1.
void push_antialias(Axis& axis, std::int64_t source, std::int64_t full, std::int64_t o,
                    std::vector<double>& weights) {
  const double scale = static_cast<double>(source) / static_cast<double>(full);
  const double support = std::max(scale, 1.0);
  const double center = (static_cast<double>(o) + 0.5) * scale;
  const auto first = std::max<std::int64_t>(0, static_cast<std::int64_t>(center - support + 0.5));
  const auto end = std::min(source, static_cast<std::int64_t>(center + support + 0.5));
  double sum = 0;
  weights.clear();
  for (std::int64_t x = first; x < end; ++x) {
    const double distance = std::abs(static_cast<double>(x) - center + 0.5) / support;
    weights.push_back(std::max(0.0, 1 - distance));
    sum += weights.back();
  }
  for (double& weight : weights) weight /= sum;
  push_taps(axis, first, weights);
}

/// OpenCV's rounding, quotient of a quotient included: at some sizes a plain o * source / full
/// falls on the other side of a whole number.
void push_nearest(Axis& axis, std::int64_t source, std::int64_t full, std::int64_t o,
                  std::vector<double>& weights) {
  const double step = 1 / (static_cast<double>(full) / static_cast<double>(source));
  const auto x = static_cast<std::int64_t>(std::floor(static_cast<double>(o) * step));
  weights = {1.0};
  push_taps(axis, std::min(x, source - 1), weights);
}

/// Whether every output is the plain mean of `box` elements right of the ones before.
bool is_box(const Axis& axis, std::int32_t box) {
  for (std::size_t o = 0; o < axis.first.size(); ++o) {
    const std::int32_t expected = axis.first[0] + static_cast<std::int32_t>(o) * box;
    if (axis.first[o] != expected || axis.begin[o + 1] - axis.begin[o] != box) return false;
  }
  const auto same = [&](float weight) { return weight == axis.weight[0]; };
  return std::all_of(axis.weight.begin(), axis.weight.end(), same);
}

void describe(Axis& axis) {
  const std::size_t count = axis.first.size();
  axis.span_begin = axis.first.front();
  for (std::size_t o = 0; o < count; ++o) {
    const std::int32_t end = axis.first[o] + axis.begin[o + 1] - axis.begin[o];
    axis.span_end = std::max(axis.span_end, end);
    if (o + 1 < count) axis.shared = std::max(axis.shared, end - axis.first[o + 1]);
  }
  const std::int32_t box = axis.begin[1];
  axis.box = is_box(axis, box) ? box : 0;
}

Axis make_axis(Resize resize, const AxisGeometry& g) {
  if (resize == Resize::kArea && g.full > g.source) resize = Resize::kBilinear;
  Axis axis;
  axis.first.reserve(static_cast<std::size_t>(g.count));
  axis.begin.reserve(static_cast<std::size_t>(g.count) + 1);
  axis.begin.push_back(0);
  std::vector<double> weights;
  for (std::int64_t o = g.skip; o < g.skip + g.count; ++o) {
    switch (resize) {
      case Resize::kArea:
        push_area(axis, g.source, g.full, o, weights);
        break;
      case Resize::kBilinear:
        push_bilinear(axis, g.source, g.full, o, weights);
        break;
      case Resize::kBilinearAntialias:
        push_antialias(axis, g.source, g.full, o, weights);
        break;
      case Resize::kNearest:
        push_nearest(axis, g.source, g.full, o, weights);
        break;
    }
  }
  describe(axis);
  return axis;
}

AxisGeometry fit_axis(Fit fit, std::int64_t source, std::int64_t target, double ratio) {
  if (fit == Fit::kStretch) return {source, target, 0, target, 0};
  const auto full = std::max<std::int64_t>(1, std::llround(static_cast<double>(source) * ratio));
  if (fit == Fit::kPad) {
    const std::int64_t inner = std::min(full, target);
    return {source, inner, 0, inner, (target - inner) / 2};
  }
  const std::int64_t covering = std::max(full, target);
  return {source, covering, (covering - target) / 2, target, 0};
}

double fit_ratio(Fit fit, const Box& box, const PreprocessSpec& spec) {
  const double y = static_cast<double>(spec.height) / static_cast<double>(box.height);
  const double x = static_cast<double>(spec.width) / static_cast<double>(box.width);
  return fit == Fit::kPad ? std::min(x, y) : std::max(x, y);
}

/// What float32 can hold without becoming infinite when it is multiplied by a 16-bit number.
float to_finite(double value) { return static_cast<float>(std::clamp(value, -1e30, 1e30)); }

/// `value` as an origin of stored values: integers stay exact in float32 differences.
double to_origin(double value, bool integers) {
  constexpr double kExact = 1 << 22;
  return integers ? std::clamp(std::round(value), -kExact, kExact)
                  : static_cast<double>(to_finite(value));
}

/// x = slope * stored + intercept; t = gain * (x - middle) + middle_value.
struct Affine {
  double gain, middle, middle_value;
};

Affine window_affine(const PreprocessImage& image) {
  switch (image.window) {
    case Window::kLinear:
      return {1 / (image.width - 1), image.center - 0.5, 0.5};
    case Window::kSigmoid:
      return {4 / image.width, image.center, 0};
    case Window::kNone:
      return {1, 0, 0};
    default:
      return {1 / image.width, image.center, 0.5};
  }
}

/// Smallest and largest value of a type of integers.
std::pair<double, double> stored_range(PixelType type) {
  switch (type) {
    case PixelType::kUint8:
      return {0, 255};
    case PixelType::kInt8:
      return {-128, 127};
    case PixelType::kUint16:
      return {0, 65535};
    default:
      return {-32768, 32767};
  }
}

/// kLinear with width 1: 0 up to c - 0.5, 1 above. The origin is the last value that gives 0.
void fold_step(const PreprocessImage& image, bool integers, WindowParams& out) {
  const double threshold = image.center - 0.5;
  out.offset = 0;
  if (image.slope == 0) {
    out.offset = image.intercept > threshold ? 1.0F : 0.0F;
    return;
  }
  const bool rising = image.slope > 0;
  const double stored = (threshold - image.intercept) / image.slope;
  if (integers) {
    const double last = rising ? std::floor(stored) : std::ceil(stored);
    out.origin = static_cast<float>(to_origin(last, true));
  } else {
    const float near = to_finite(stored);
    const bool beyond = rising ? near > stored : near < stored;
    const float toward = std::copysign(std::numeric_limits<float>::infinity(), rising ? -1.F : 1.F);
    out.origin = beyond ? std::nextafter(near, toward) : near;
  }
  out.scale = (rising ? 1.0F : -1.0F) * (integers ? 1.0F : 1e30F);
}

void fold_affine(const PreprocessImage& image, bool integers, WindowParams& out) {
  const Affine affine = window_affine(image);
  const double gain = affine.gain * image.slope;
  double origin = 0;
  if (image.slope != 0) origin = (affine.middle - image.intercept) / image.slope;
  origin = to_origin(origin, integers);
  const double x = image.slope * origin + image.intercept;
  out.origin = static_cast<float>(origin);
  out.scale = to_finite(gain);
  out.offset = to_finite(affine.gain * (x - affine.middle) + affine.middle_value);
}

void fold_inversion(WindowOp op, WindowParams& out) {
  out.scale = -out.scale;
  out.offset = op == WindowOp::kSigmoid ? -out.offset : 1 - out.offset;
}

/// Stored values inside [low, high] and no others, also where float32 cannot hold the bounds.
void fold_padding(const PreprocessImage& image, WindowParams& out) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  out.padding_low = static_cast<float>(image.padding_low);
  out.padding_high = static_cast<float>(image.padding_high);
  if (static_cast<double>(out.padding_low) < image.padding_low) {
    out.padding_low = std::nextafter(out.padding_low, kInfinity);
  }
  if (static_cast<double>(out.padding_high) > image.padding_high) {
    out.padding_high = std::nextafter(out.padding_high, -kInfinity);
  }
}

}  // namespace

WindowOp window_op(Window window) {
  switch (window) {
    case Window::kSigmoid:
      return WindowOp::kSigmoid;
    case Window::kNone:
      return WindowOp::kAffine;
    case Window::kTable:
      return WindowOp::kTable;
    default:
      return WindowOp::kClamp;
  }
}

WindowParams fold_window(const PreprocessImage& image, double pad_value, bool integers,
                         std::int64_t table_size) {
  WindowParams out{};
  out.pad_value = static_cast<float>(pad_value);
  out.padding_low = std::numeric_limits<float>::infinity();
  out.padding_high = -out.padding_low;
  if (image.has_padding) fold_padding(image, out);
  if (image.window == Window::kTable) {
    out.origin = static_cast<float>(to_origin(static_cast<double>(image.table_first), true));
    out.scale = static_cast<float>(table_size - 1);
    return out;
  }
  if (image.window == Window::kLinear && image.width == 1) {
    fold_step(image, integers, out);
  } else {
    fold_affine(image, integers, out);
  }
  if (image.invert) fold_inversion(window_op(image.window), out);
  return out;
}

void find_whole_window(const PreprocessImage& image, PixelType type, WindowParams& window) {
  window.stored_low = 1;
  window.stored_high = 0;
  const bool step = image.window == Window::kLinear && image.width == 1;
  if (window_op(image.window) != WindowOp::kClamp || type == PixelType::kFloat32 ||
      image.has_padding || image.slope == 0 || step) {
    return;
  }
  const Affine affine = window_affine(image);
  const auto stored_at = [&](double t) {
    const double x = affine.middle + (t - affine.middle_value) / affine.gain;
    return (x - image.intercept) / image.slope;
  };
  const auto [least, most] = stored_range(type);
  double low = stored_at(0), high = stored_at(1);
  if (low > high) std::swap(low, high);
  if (!(low < most && high > least)) return;
  const auto whole = [](double value) { return std::abs(value - std::round(value)) < 1e-9; };
  if ((low > least && !whole(low)) || (high < most && !whole(high))) return;
  window.stored_low = static_cast<std::int32_t>(std::round(std::max(low, least)));
  window.stored_high = static_cast<std::int32_t>(std::round(std::min(high, most)));
}

std::int32_t AxisCache::find(Resize resize, std::int64_t source, std::int64_t full,
                             std::int64_t skip, std::int64_t count) {
  const auto [place, added] = known_.try_emplace({source, full, skip, count}, 0);
  if (added) {
    place->second = static_cast<std::int32_t>(axes_.size());
    axes_.push_back(make_axis(resize, {source, full, skip, count, 0}));
  }
  return place->second;
}

void place_image(const Box& box, const PreprocessSpec& spec, AxisCache& axes, ImagePlan& plan) {
  const double ratio = fit_ratio(spec.fit, box, spec);
  const AxisGeometry y = fit_axis(spec.fit, box.height, spec.height, ratio);
  const AxisGeometry x = fit_axis(spec.fit, box.width, spec.width, ratio);
  plan.row_axis = axes.find(spec.resize, y.source, y.full, y.skip, y.count);
  plan.column_axis = axes.find(spec.resize, x.source, x.full, x.skip, x.count);
  plan.top = static_cast<std::int32_t>(y.before);
  plan.left = static_cast<std::int32_t>(x.before);
  plan.height = static_cast<std::int32_t>(y.count);
  plan.width = static_cast<std::int32_t>(x.count);
}

}  // namespace salus::kernels::preprocess
