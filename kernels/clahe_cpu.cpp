// CPU half of clahe. First threads take tiles: histogram, clipping, table. Then they take cells,
// the rectangles between the centres of tiles: within one all pixels use the same four tables,
// which are interleaved so that one 8-byte load fetches the four entries of a pixel. Twelve bits
// make 32 KB: they stay in the first-level cache.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "kernels/clahe_plan.h"
#include "kernels/histogram_share.h"

// Three builds of the kernel are enough: SSSE3 (every x86-64 processor since 2011), AVX2 and
// AVX-512.
#define HWY_WANT_SSSE3 1
#define HWY_DISABLED_TARGETS HWY_SSE4
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/clahe_cpu.cpp"
#include <hwy/foreach_target.h>
// Highway's own header last: it reads HWY_TARGET.
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#ifndef SALUS_CLAHE_CPU_ONCE
#define SALUS_CLAHE_CPU_ONCE
namespace salus::kernels::clahe_detail {

/// Lowest and highest value of a tile.
struct Range {
  std::int32_t low, high;
};

/// What the workspace holds for one image.
struct ImageTables {
  std::uint16_t* entries;  ///< [tiles, levels]
  Range* ranges;           ///< [tiles]

  static ImageTables of(const ClahePlan& plan, void* workspace, std::int64_t image) {
    auto* begin = static_cast<unsigned char*>(workspace) +
                  static_cast<std::size_t>(image) * clahe_image_workspace(plan);
    auto* entries = reinterpret_cast<std::uint16_t*>(begin);
    const std::int64_t size = std::int64_t{plan.tiles()} * plan.levels();
    return {entries, reinterpret_cast<Range*>(entries + size)};
  }
};

}  // namespace salus::kernels::clahe_detail
#endif

HWY_BEFORE_NAMESPACE();
namespace salus::kernels::clahe_detail::HWY_NAMESPACE {

#include "kernels/histogram_count-inl.h"
//
#include "kernels/clahe_cells-inl.h"
//
#include "kernels/clahe_tables-inl.h"

void make_table(const ClahePlan& plan, int bytes, const void* image, const ImageTables& tables,
                const Range& wanted, int tile, HistogramScratch& scratch) {
  const Range& own = tables.ranges[tile];
  std::uint16_t* entries = tables.entries + std::int64_t{tile} * plan.levels();
  if (bytes == 1) {
    make_table_of(plan, static_cast<const std::uint8_t*>(image), own, wanted, tile, entries,
                  scratch);
  } else {
    make_table_of(plan, static_cast<const std::uint16_t*>(image), own, wanted, tile, entries,
                  scratch);
  }
}

void apply_part(const ClahePlan& plan, int bytes, const void* in, void* out,
                const ImageTables& tables, const ClahePart& part, HistogramScratch& scratch) {
  if (bytes == 1) {
    apply_part_of(plan, static_cast<const std::uint8_t*>(in), static_cast<std::uint8_t*>(out),
                  tables, part, scratch);
  } else {
    apply_part_of(plan, static_cast<const std::uint16_t*>(in), static_cast<std::uint16_t*>(out),
                  tables, part, scratch);
  }
}

}  // namespace salus::kernels::clahe_detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace salus::kernels {
namespace clahe_detail {
namespace {

HWY_EXPORT(find_range);
HWY_EXPORT(make_table);
HWY_EXPORT(apply_part);

/// Up to so many bits, whole tables cost less than finding ranges does.
constexpr int kMostWholeBits = 12;

/// What the pixels of a tile and of the eight around it have: no other pixel uses the tile's table.
Range range_around(const ClahePlan& plan, const Range* ranges, int tile) {
  const int x = tile % plan.tiles_x, y = tile / plan.tiles_x;
  Range around = ranges[tile];
  for (int v = std::max(y - 1, 0); v <= std::min(y + 1, plan.tiles_y - 1); ++v) {
    for (int u = std::max(x - 1, 0); u <= std::min(x + 1, plan.tiles_x - 1); ++u) {
      const Range& range = ranges[v * plan.tiles_x + u];
      around = {std::min(around.low, range.low), std::max(around.high, range.high)};
    }
  }
  return around;
}

}  // namespace
}  // namespace clahe_detail

void clahe_cpu(const ClahePlan& plan, int bytes, const void* in, void* out, void* workspace) {
  using clahe_detail::ImageTables;
  using clahe_detail::Range;
  const std::int64_t image_bytes = plan.pixels() * bytes;
  const auto* source = static_cast<const unsigned char*>(in);
  auto* target = static_cast<unsigned char*>(out);
  const std::int64_t tiles = plan.tiles();
  const auto find = HWY_DYNAMIC_DISPATCH(clahe_detail::find_range);
  share_work(plan.count * tiles, [&](std::int64_t i, HistogramScratch&) {
    const auto tile = static_cast<int>(i % tiles);
    Range& range = ImageTables::of(plan, workspace, i / tiles).ranges[tile];
    range = {0, plan.levels() - 1};
    if (plan.bits > clahe_detail::kMostWholeBits) {
      const auto* image = static_cast<const std::uint16_t*>(in) + i / tiles * plan.pixels();
      find(plan, image, tile, range);
    }
  });
  const auto make = HWY_DYNAMIC_DISPATCH(clahe_detail::make_table);
  share_work(plan.count * tiles, [&](std::int64_t i, HistogramScratch& scratch) {
    const auto tile = static_cast<int>(i % tiles);
    const ImageTables tables = ImageTables::of(plan, workspace, i / tiles);
    const Range wanted = clahe_detail::range_around(plan, tables.ranges, tile);
    make(plan, bytes, source + i / tiles * image_bytes, tables, wanted, tile, scratch);
  });
  const auto apply = HWY_DYNAMIC_DISPATCH(clahe_detail::apply_part);
  const ClaheParts parts = ClaheParts::of(plan);
  const std::int64_t each = parts.per_image();
  share_work(plan.count * each, [&](std::int64_t i, HistogramScratch& scratch) {
    const std::int64_t image = i / each;
    const ClahePart part = parts.part(plan, static_cast<int>(i % each));
    if (part.left >= part.right || part.top >= part.bottom) return;
    apply(plan, bytes, source + image * image_bytes, target + image * image_bytes,
          ImageTables::of(plan, workspace, image), part, scratch);
  });
}

}  // namespace salus::kernels
#endif
