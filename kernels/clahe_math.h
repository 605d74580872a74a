#pragma once

#include <cstdint>

#include "kernels/histogram_math.h"

// The formula of CLAHE, once for host and device.

namespace salus::kernels {

/// One batch of images of one size, and the parameters of clahe() as numbers. 32 bits are enough:
/// an image, its reflected border included, has fewer than 2^31 pixels.
struct ClahePlan : HistogramBins {
  int count = 0;
  int height = 0;
  int width = 0;
  int tiles_x = 1;
  int tiles_y = 1;
  int tile_width = 0;  ///< of the image with its border
  int tile_height = 0;
  std::uint32_t limit = 0;  ///< of the count of a bin in a whole tile; 0 = no clipping
  float inverse_tile_width = 0;
  float inverse_tile_height = 0;

  SALUS_HD int tiles() const { return tiles_x * tiles_y; }
  SALUS_HD std::int64_t pixels() const { return std::int64_t{height} * width; }
};

/// Where position `at` of an axis of `size` pixels lies after reflection without the edge pixel
/// (abcd -> abcd cba bcd ...); `at` is not negative.
SALUS_HD int reflect_101(int at, int size) {
  if (at < size) return at;
  if (size == 1) return 0;
  const int period = 2 * (size - 1);
  const int within = at % period;
  return within < size ? within : period - within;
}

/// Position of a pixel between the centres of tiles `before` and before + 1, with the weight of the
/// latter. Outside of the outermost centres `before` is -1 or the last tile.
struct ClahePosition {
  int before;
  float weight;
};

SALUS_HD ClahePosition clahe_position(int at, float inverse_tile) {
  const float in_tiles = rounded_sum(rounded_product(static_cast<float>(at), inverse_tile), -0.5f);
  const float whole = floorf(in_tiles);
  return {static_cast<int>(whole), rounded_sum(in_tiles, -whole)};
}

/// First pixel of cell `cell`, which lies between the centres of tiles cell - 1 and cell; `size`
/// for the cell after the last. Cells 0 to `tiles` cover the axis.
SALUS_HD int clahe_cell_begin(int cell, int size, int tile, float inverse_tile) {
  if (cell == 0) return 0;
  std::int64_t near = (std::int64_t{cell} * 2 - 1) * tile / 2;
  if (near > size) near = size;
  int at = static_cast<int>(near);
  while (at > 0 && clahe_position(at - 1, inverse_tile).before >= cell - 1) --at;
  while (at < size && clahe_position(at, inverse_tile).before < cell - 1) ++at;
  return at;
}

/// Pixels [left, right) x [top, bottom) of one cell, and the tiles around it: upper left, upper
/// right, lower left, lower right.
struct ClahePart {
  int left, right, top, bottom;
  int tile[4];
};

/// How the cells of an image are cut into slices of `rows` rows: so many that interleaving the
/// tables stays a small part of the work, and so few that not many tiles keep all threads busy too.
struct ClaheParts {
  int rows;
  int slices;  ///< of a cell
  int cells_x, cells_y;

  static ClaheParts of(const ClahePlan& plan) {
    constexpr int kFewestPixels = 64 * 1024;
    const int pixels = 8 * plan.levels() > kFewestPixels ? 8 * plan.levels() : kFewestPixels;
    const int rows = pixels / plan.tile_width > 1 ? pixels / plan.tile_width : 1;
    // Rounding may make a cell one row taller than its tiles.
    return {rows, plan.tile_height / rows + 1, plan.tiles_x + 1, plan.tiles_y + 1};
  }

  SALUS_HD int per_image() const { return slices * cells_x * cells_y; }

  /// Part `index` of per_image(), in the order of rows; it may be empty.
  SALUS_HD ClahePart part(const ClahePlan& plan, int index) const {
    const int cell_x = index % cells_x;
    const int slice = index / cells_x % slices;
    const int cell_y = index / cells_x / slices;
    const auto begin_x = [&](int cell) {
      return clahe_cell_begin(cell, plan.width, plan.tile_width, plan.inverse_tile_width);
    };
    const auto begin_y = [&](int cell) {
      return clahe_cell_begin(cell, plan.height, plan.tile_height, plan.inverse_tile_height);
    };
    ClahePart part;
    part.left = begin_x(cell_x);
    part.right = cell_x + 1 == cells_x ? plan.width : begin_x(cell_x + 1);
    const int bottom = cell_y + 1 == cells_y ? plan.height : begin_y(cell_y + 1);
    part.top = begin_y(cell_y) + slice * rows;
    part.bottom = slice + 1 == slices || part.top + rows > bottom ? bottom : part.top + rows;
    const int left_tile = cell_x > 0 ? cell_x - 1 : 0;
    const int right_tile = cell_x < plan.tiles_x ? cell_x : plan.tiles_x - 1;
    const int upper = (cell_y > 0 ? cell_y - 1 : 0) * plan.tiles_x;
    const int lower = (cell_y < plan.tiles_y ? cell_y : plan.tiles_y - 1) * plan.tiles_x;
    part.tile[0] = upper + left_tile;
    part.tile[1] = upper + right_tile;
    part.tile[2] = lower + left_tile;
    part.tile[3] = lower + right_tile;
    return part;
  }
};

/// Clipping and spreading of one tile's histogram.
struct ClaheSpread {
  std::uint32_t limit;     ///< no bin keeps more
  std::uint32_t batch;     ///< added to every bin
  std::uint32_t residual;  ///< how many bins get one more: 0, step, 2 step ...
  std::uint32_t step;

  SALUS_HD std::uint32_t operator()(std::uint32_t bin, std::uint32_t count) const {
    const std::uint32_t kept = count < limit ? count : limit;
    const bool more = residual != 0 && bin % step == 0 && bin / step < residual;
    return kept + batch + (more ? 1 : 0);
  }
};

/// What all bins below `bin` got by `spread`, beside the counts that they kept.
SALUS_HD std::uint32_t clahe_spread_below(const ClaheSpread& spread, std::uint32_t bin) {
  const std::uint32_t steps = (bin + spread.step - 1) / spread.step;
  return spread.batch * bin + (steps < spread.residual ? steps : spread.residual);
}

/// Limit of a tile with `counted` pixels out of `area`.
SALUS_HD std::uint32_t clahe_limit(const ClahePlan& plan, std::uint32_t counted) {
  if (plan.limit == 0) return 0xffffffffu;
  const auto area =
      static_cast<std::uint32_t>(plan.tile_width) * static_cast<std::uint32_t>(plan.tile_height);
  if (counted == area) return plan.limit;
  const auto limit = static_cast<std::uint32_t>(std::uint64_t{plan.limit} * counted / area);
  return limit > 1 ? limit : 1;
}

/// `excess` is the sum of what exceeds `limit` in the bins.
SALUS_HD ClaheSpread clahe_spread(std::uint32_t limit, std::uint32_t excess, int bits) {
  const std::uint32_t bins = 1u << bits;
  const std::uint32_t residual = excess & (bins - 1);
  return {limit, excess >> bits, residual, residual == 0 ? 1 : bins / residual};
}

/// The bilinear mean of four entries; `x` and `y` are the weights of right and lower.
SALUS_HD int clahe_blend(float upper_left, float upper_right, float lower_left, float lower_right,
                         float x, float y) {
  const float left = rounded_sum(1.0f, -x);
  const float top = rounded_sum(1.0f, -y);
  const float upper =
      rounded_sum(rounded_product(upper_left, left), rounded_product(upper_right, x));
  const float lower =
      rounded_sum(rounded_product(lower_left, left), rounded_product(lower_right, x));
  return round_to_even(rounded_sum(rounded_product(upper, top), rounded_product(lower, y)));
}

}  // namespace salus::kernels
