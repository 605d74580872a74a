#include "engine/explain/placement.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace salus::explain {
namespace {

using kernels::Fit;

/// The two cells of the map between which a source pixel lies; low < 0 = outside the input.
struct Tap {
  std::int64_t low = -1, high = -1;
  float share = 0;  // of `high`
};

/// Exact where a = b.
float between(float a, float b, float share) { return a + (b - a) * share; }

/// One axis: source pixels [first, first + source) became `full` pixels, `offset` pixels after the
/// beginning of the input (negative for a crop).
struct AxisPlace {
  std::int64_t first, source, full, offset, input;
};

std::vector<Tap> taps(const AxisPlace& place, std::int64_t cells, std::int64_t length) {
  std::vector<Tap> result(static_cast<std::size_t>(length));
  const double scale = static_cast<double>(place.full) / static_cast<double>(place.source);
  const double per_cell = static_cast<double>(cells) / static_cast<double>(place.input);
  for (std::int64_t i = place.first; i < std::min(length, place.first + place.source); ++i) {
    const double center = static_cast<double>(i - place.first) + 0.5;
    const double input = center * scale + static_cast<double>(place.offset);
    if (input < 0 || input > static_cast<double>(place.input)) continue;
    const double cell = std::clamp(input * per_cell - 0.5, 0.0, static_cast<double>(cells - 1));
    const auto low = static_cast<std::int64_t>(cell);
    result[static_cast<std::size_t>(i)] = {low, std::min(low + 1, cells - 1),
                                           static_cast<float>(cell - static_cast<double>(low))};
  }
  return result;
}

// The same sizes and offsets as the preprocessing kernel's own.
AxisPlace place(Fit fit, double ratio, std::int64_t first, std::int64_t source,
                std::int64_t input) {
  if (fit == Fit::kStretch) return {first, source, input, 0, input};
  const auto full = std::max<std::int64_t>(1, std::llround(static_cast<double>(source) * ratio));
  if (fit == Fit::kPad) {
    const std::int64_t inner = std::min(full, input);
    return {first, source, inner, (input - inner) / 2, input};
  }
  const std::int64_t covering = std::max(full, input);
  return {first, source, covering, -((covering - input) / 2), input};
}

}  // namespace

at::Tensor to_source(const at::Tensor& map, const kernels::PreprocessSpec& spec,
                     const kernels::Box& box, std::int64_t rows, std::int64_t columns) {
  const kernels::Box whole = box.height > 0 ? box : kernels::Box{0, 0, rows, columns};
  const double y_ratio = static_cast<double>(spec.height) / static_cast<double>(whole.height);
  const double x_ratio = static_cast<double>(spec.width) / static_cast<double>(whole.width);
  const double ratio =
      spec.fit == Fit::kPad ? std::min(y_ratio, x_ratio) : std::max(y_ratio, x_ratio);
  const auto ys =
      taps(place(spec.fit, ratio, whole.top, whole.height, spec.height), map.size(0), rows);
  const auto xs =
      taps(place(spec.fit, ratio, whole.left, whole.width, spec.width), map.size(1), columns);
  const at::Tensor plain = map.contiguous();
  const auto cell = plain.accessor<float, 2>();
  at::Tensor result = at::zeros({rows, columns}, at::kFloat);
  auto out = result.accessor<float, 2>();
  for (std::int64_t r = 0; r < rows; ++r) {
    const Tap& y = ys[static_cast<std::size_t>(r)];
    if (y.low < 0) continue;
    for (std::int64_t c = 0; c < columns; ++c) {
      const Tap& x = xs[static_cast<std::size_t>(c)];
      if (x.low < 0) continue;
      const float above = between(cell[y.low][x.low], cell[y.low][x.high], x.share);
      const float below = between(cell[y.high][x.low], cell[y.high][x.high], x.share);
      out[r][c] = between(above, below, y.share);
    }
  }
  return result;
}

}  // namespace salus::explain
