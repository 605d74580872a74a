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

/// The range of the pixels of a tile, ignored ones too. The border repeats pixels of the image, but
/// not always of the tile: it is walked as well.
void find_range(const ClahePlan& plan, const std::uint16_t* image, int tile, Range& range) {
  using T = std::uint16_t;
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int>(hn::Lanes(d));
  const int left = tile % plan.tiles_x * plan.tile_width;
  const int top = tile / plan.tiles_x * plan.tile_height;
  const int right = left + plan.tile_width;
  auto lowest = hn::Set(d, std::numeric_limits<T>::max()), highest = hn::Zero(d);
  T low = std::numeric_limits<T>::max(), high = 0;
  for (int y = top; y < top + plan.tile_height; ++y) {
    const T* row = image + std::int64_t{reflect_101(y, plan.height)} * plan.width;
    int x = left;
    for (; x + lanes <= std::min(right, plan.width); x += lanes) {
      const auto values = hn::LoadU(d, row + x);
      lowest = hn::Min(lowest, values);
      highest = hn::Max(highest, values);
    }
    for (; x < right; ++x) {
      const T value = row[reflect_101(x, plan.width)];
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  low = std::min(low, hn::GetLane(hn::MinOfLanes(d, lowest)));
  high = std::max(high, hn::GetLane(hn::MaxOfLanes(d, highest)));
  range = {static_cast<std::int32_t>(plan.saturated(low)),
           static_cast<std::int32_t>(plan.saturated(high))};
}

/// Takes the ignored values among [range.low, range.high] out of the histogram; returns how many
/// pixels are left.
HWY_INLINE std::uint32_t drop_ignored(const ClahePlan& plan, const Range& range,
                                      std::uint32_t* counts) {
  auto counted =
      static_cast<std::uint32_t>(plan.tile_width) * static_cast<std::uint32_t>(plan.tile_height);
  if (!plan.ignores()) return counted;
  const std::int32_t first = std::max(static_cast<std::int32_t>(plan.ignore_low), range.low);
  const std::int32_t last = std::min(static_cast<std::int32_t>(plan.ignore_high), range.high);
  for (std::int32_t i = first; i <= last; ++i) {
    counted -= counts[i];
    counts[i] = 0;
  }
  return counted;
}

/// The tile's table, as far as its pixels and those of its neighbours ask for it: `own` and `wanted`
/// are the ranges of the former and of all.
template <typename T>
void make_table_of(const ClahePlan& plan, const T* image, const Range& own, const Range& wanted,
                   int tile, std::uint16_t* entries, HistogramScratch& scratch) {
  const std::int32_t levels = plan.levels();
  auto* memory = scratch.bytes(Counter::words(plan.bits) * sizeof(std::uint32_t));
  auto* bins = static_cast<std::uint32_t*>(memory);
  std::fill(bins + wanted.low, bins + wanted.high + 1, 0U);
  Counter counter(bins, plan.bits, own.low, own.high);
  count_tile(plan, image, tile, counter);
  std::uint32_t* counts = counter.merge();
  const std::uint32_t counted = drop_ignored(plan, own, counts);
  if (counted == 0) {
    for (std::int32_t i = wanted.low; i <= wanted.high; ++i) {
      entries[i] = static_cast<std::uint16_t>(i);
    }
    return;
  }
  ClaheSpread spread{0, 0, 0, 1};
  if (const std::uint32_t limit = clahe_limit(plan, counted); limit < counted) {
    const std::uint32_t excess = clip(limit, counts + own.low, own.high - own.low + 1);
    spread = clahe_spread(limit, excess, plan.bits);
  }
  const auto low = static_cast<std::uint32_t>(wanted.low);
  const auto end = static_cast<std::uint32_t>(wanted.high) + 1;
  std::uint32_t i = (low + spread.step - 1) / spread.step;
  for (; i < spread.residual && i * spread.step < end; ++i) ++counts[i * spread.step];
  scan_into_entries(counts + low, end - low, spread.batch,
                    static_cast<std::int32_t>(clahe_spread_below(spread, low)),
                    histogram_scale(levels, counted), levels, entries + low);
}
