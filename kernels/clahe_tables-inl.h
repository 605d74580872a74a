// Included by clahe_cpu.cpp inside HWY_NAMESPACE: from a tile's pixels to its table.

/// Counts the pixels of a tile; those beyond the image are its reflection.
template <typename T>
void count_tile(const ClahePlan& plan, const T* image, int tile, Counter& counter) {
  const int left = tile % plan.tiles_x * plan.tile_width;
  const int top = tile / plan.tiles_x * plan.tile_height;
  const int right = left + plan.tile_width;
  const int inside = std::min(right, plan.width);
  const int bottom = std::min(top + plan.tile_height, plan.height);
  constexpr std::int64_t kAhead = 2;
  for (int y = top; y < top + plan.tile_height; ++y) {
    const T* row = image + std::int64_t{reflect_101(y, plan.height)} * plan.width;
    if (left < inside) {
      if (y + kAhead < bottom) prefetch_row(row + left + kAhead * plan.width, inside - left);
      counter.add_row(row + left, inside - left);
    }
    for (int x = std::max(left, inside); x < right; ++x) {
      counter.add(row[reflect_101(x, plan.width)]);
    }
  }
}

/// Cuts counts[0 .. levels) off at `limit`; returns the sum of what was cut off.
HWY_INLINE std::uint32_t clip(std::uint32_t limit, std::uint32_t* counts, std::int64_t levels) {
  const hn::ScalableTag<std::uint32_t> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto most = hn::Set(d, limit);
  auto sums = hn::Zero(d);
  std::int64_t i = 0;
  for (; i + lanes <= levels; i += lanes) {
    const auto count = hn::LoadU(d, counts + i);
    const auto kept = hn::Min(count, most);
    sums = hn::Add(sums, hn::Sub(count, kept));
    hn::StoreU(kept, d, counts + i);
  }
  std::uint32_t excess = hn::GetLane(hn::SumOfLanes(d, sums));
  for (; i < levels; ++i) {
    excess += counts[i] - std::min(counts[i], limit);
    counts[i] = std::min(counts[i], limit);
  }
  return excess;
}

/// Takes ignored values out of the histogram; returns how many pixels are left.
HWY_INLINE std::uint32_t drop_ignored(const ClahePlan& plan, std::uint32_t* counts) {
  auto counted =
      static_cast<std::uint32_t>(plan.tile_width) * static_cast<std::uint32_t>(plan.tile_height);
  const auto end = std::min<std::int64_t>(std::int64_t{plan.ignore_high} + 1, plan.levels());
  for (std::int64_t i = plan.ignore_low; i < end; ++i) {
    counted -= counts[i];
    counts[i] = 0;
  }
  return counted;
}

/// The lowest and highest value that was counted.
HWY_INLINE Range range_of(const std::uint32_t* counts, std::int32_t levels) {
  Range range{0, levels - 1};
  while (range.low < levels && counts[range.low] == 0) ++range.low;
  while (range.high > range.low && counts[range.high] == 0) --range.high;
  return range;
}

template <typename T>
void make_table_of(const ClahePlan& plan, const T* image, const ImageTables& tables, int tile,
                   HistogramScratch& scratch) {
  const std::int32_t levels = plan.levels();
  auto* memory = scratch.bytes(Counter::words(plan.bits) * sizeof(std::uint32_t));
  Counter counter(static_cast<std::uint32_t*>(memory), plan.bits);
  count_tile(plan, image, tile, counter);
  std::uint32_t* counts = counter.merge();
  const std::uint32_t counted = drop_ignored(plan, counts);
  tables.ranges[tile] = range_of(counts, levels);
  std::uint16_t* entries = tables.entries + std::int64_t{tile} * levels;
  if (counted == 0) {
    for (std::int32_t i = 0; i < levels; ++i) entries[i] = static_cast<std::uint16_t>(i);
    return;
  }
  std::uint32_t extra = 0;
  if (const std::uint32_t limit = clahe_limit(plan, counted); limit < counted) {
    const std::uint32_t excess = clip(limit, counts, levels);
    const ClaheSpread spread = clahe_spread(limit, excess, plan.bits);
    for (std::uint32_t i = 0; i < spread.residual; ++i) ++counts[i * spread.step];
    extra = spread.batch;
  }
  scan_into_entries(counts, levels, extra, 0, histogram_scale(levels, counted), entries);
}
