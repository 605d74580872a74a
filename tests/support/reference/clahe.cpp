#include "tests/support/reference/clahe.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace salus::reference {
namespace {

struct Entry {
  double value = 0;
  bool uncertain = false;  ///< float32 may round to the neighbour
};

Entry rounded(double value, double top) {
  const double floor = std::floor(value);
  const double from_middle = std::abs(value - floor - 0.5);
  const double nearest = std::nearbyint(value);  // ties to even
  return {std::min(nearest, top), from_middle < 4e-7 * (value + 1)};
}

std::int64_t top_of(std::int64_t bits) { return (std::int64_t{1} << bits) - 1; }

/// The image with its border: walks to and fro between the first and the last pixel.
int bounced(int at, int size) {
  int position = 0, step = 1;
  for (int i = 0; i < at && size > 1; ++i) {
    if (position + step < 0 || position + step >= size) step = -step;
    position += step;
  }
  return position;
}

template <typename Spec>
bool is_ignored(const Spec& spec, std::int64_t value) {
  return spec.ignore_low <= value && value <= spec.ignore_high;
}

/// The table of a tile with these values.
std::vector<Entry> table_of(const std::vector<std::int64_t>& pixels,
                            const kernels::ClaheSpec& spec) {
  const std::int64_t bins = top_of(spec.bits) + 1;
  const auto area = static_cast<std::int64_t>(pixels.size());
  std::vector<std::int64_t> counts(bins);
  std::int64_t counted = 0;
  for (const std::int64_t value : pixels) {
    if (is_ignored(spec, value)) continue;
    ++counts[value];
    ++counted;
  }
  std::vector<Entry> table(bins);
  if (counted == 0) {
    for (std::int64_t i = 0; i < bins; ++i) table[i].value = static_cast<double>(i);
    return table;
  }
  if (spec.clip_limit > 0) {
    const double of_tile =
        std::max(1.0, std::floor(spec.clip_limit * static_cast<double>(area) / bins));
    // A limit above the area never clips, and stays comparable in integers.
    std::int64_t limit = static_cast<std::int64_t>(std::min(of_tile, static_cast<double>(area)));
    if (counted != area) limit = std::max<std::int64_t>(1, limit * counted / area);
    std::int64_t excess = 0;
    for (std::int64_t& count : counts) {
      excess += std::max<std::int64_t>(count - limit, 0);
      count = std::min(count, limit);
    }
    for (std::int64_t& count : counts) count += excess / bins;
    const std::int64_t rest = excess % bins;
    const std::int64_t step = rest == 0 ? 1 : std::max<std::int64_t>(1, bins / rest);
    for (std::int64_t i = 0; i < rest; ++i) ++counts[i * step];
  }
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < bins; ++i) {
    sum += counts[i];
    const double share = static_cast<double>(sum) / static_cast<double>(counted);
    table[i] = rounded(share * static_cast<double>(bins - 1), static_cast<double>(bins - 1));
  }
  return table;
}

/// Tiles before and after a position, and the weight of the latter.
struct Between {
  int before, after;
  double weight;
};

Between between_centres(int at, int tile, int tiles) {
  const double place = (at - tile / 2.0) / tile;  // in tiles from the first centre
  const int before = static_cast<int>(std::floor(place));
  return {std::clamp(before, 0, tiles - 1), std::clamp(before + 1, 0, tiles - 1), place - before};
}

}  // namespace

EqualizedImage clahe(const std::vector<int>& image, int height, int width,
                     const kernels::ClaheSpec& spec) {
  const auto tiles_x = static_cast<int>(spec.tiles_x), tiles_y = static_cast<int>(spec.tiles_y);
  const bool divides = width % tiles_x == 0 && height % tiles_y == 0;
  const int tile_width = divides ? width / tiles_x : width / tiles_x + 1;
  const int tile_height = divides ? height / tiles_y : height / tiles_y + 1;
  const auto pixel = [&](int y, int x) {
    return std::min<std::int64_t>(image[bounced(y, height) * width + bounced(x, width)],
                                  top_of(spec.bits));
  };
  std::vector<std::vector<Entry>> tables;
  for (int tile = 0; tile < tiles_x * tiles_y; ++tile) {
    std::vector<std::int64_t> pixels;
    for (int y = 0; y < tile_height; ++y) {
      for (int x = 0; x < tile_width; ++x) {
        pixels.push_back(pixel(tile / tiles_x * tile_height + y, tile % tiles_x * tile_width + x));
      }
    }
    tables.push_back(table_of(pixels, spec));
  }
  EqualizedImage result;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const std::int64_t value = pixel(y, x);
      const Between across = between_centres(x, tile_width, tiles_x);
      const Between down = between_centres(y, tile_height, tiles_y);
      double sum = 0;
      bool uncertain = false;
      for (const auto& [row, by_row] :
           {std::pair(down.before, 1 - down.weight), std::pair(down.after, down.weight)}) {
        for (const auto& [column, by_column] : {std::pair(across.before, 1 - across.weight),
                                                std::pair(across.after, across.weight)}) {
          const Entry& entry = tables[row * tiles_x + column][value];
          sum += by_row * by_column * entry.value;
          uncertain = uncertain || entry.uncertain;
        }
      }
      const bool kept = is_ignored(spec, value);
      result.values.push_back(kept ? static_cast<double>(value) : sum);
      // float32 positions are off by their rounding, times the levels between two tables.
      const double places = 1e-6 * (top_of(spec.bits) + 1) * (1 + (width + height) * 1e-3);
      result.tolerance.push_back(kept ? 0 : 0.5 + places + (uncertain ? 1 : 0));
    }
  }
  return result;
}

EqualizedImage histogram_equalize(const std::vector<int>& image,
                                  const kernels::EqualizeSpec& spec) {
  const auto top = static_cast<double>(top_of(spec.bits));
  std::vector<std::int64_t> sorted;
  for (const int value : image) {
    const std::int64_t stored = std::min<std::int64_t>(value, top_of(spec.bits));
    if (!is_ignored(spec, stored)) sorted.push_back(stored);
  }
  std::sort(sorted.begin(), sorted.end());
  const auto up_to = [&](std::int64_t value) {
    return static_cast<double>(std::upper_bound(sorted.begin(), sorted.end(), value) -
                               sorted.begin());
  };
  const double all = static_cast<double>(sorted.size());
  const double lowest = sorted.empty() ? 0 : up_to(sorted.front());
  EqualizedImage result;
  for (const int value : image) {
    const std::int64_t stored = std::min<std::int64_t>(value, top_of(spec.bits));
    const bool kept = is_ignored(spec, stored) || all == lowest;
    const Entry entry = kept ? Entry{static_cast<double>(stored)}
                             : rounded((up_to(stored) - lowest) / (all - lowest) * top, top);
    result.values.push_back(entry.value);
    result.tolerance.push_back(entry.uncertain ? 1 : 0);
  }
  return result;
}

}  // namespace salus::reference
