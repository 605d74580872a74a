// Included by clahe_cpu.cpp inside HWY_NAMESPACE: from pixels and tables to the result.

using D = hn::ScalableTag<float>;
using DU = hn::Repartition<std::uint32_t, D>;
using DI = hn::Repartition<std::int32_t, D>;
using DQ = hn::Repartition<std::uint64_t, D>;

/// The tables of the four tiles around a cell.
struct Corners {
  const std::uint16_t *upper_left, *upper_right, *lower_left, *lower_right;
};

/// quads[v] = the four entries of value v, for v in [low, high].
HWY_INLINE void interleave(const Corners& from, std::int64_t low, std::int64_t high,
                           std::uint16_t* quads) {
  const hn::ScalableTag<std::uint16_t> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t v = low;
  for (; v + lanes <= high + 1; v += lanes) {
    hn::StoreInterleaved4(hn::LoadU(d, from.upper_left + v), hn::LoadU(d, from.upper_right + v),
                          hn::LoadU(d, from.lower_left + v), hn::LoadU(d, from.lower_right + v), d,
                          quads + 4 * v);
  }
  for (; v <= high; ++v) {
    quads[4 * v] = from.upper_left[v];
    quads[4 * v + 1] = from.upper_right[v];
    quads[4 * v + 2] = from.lower_left[v];
    quads[4 * v + 3] = from.lower_right[v];
  }
}

/// One row of a cell.
struct CellRow {
  const std::uint64_t* quads;
  const float* left;   ///< weights of the left tiles, per column
  const float* right;  ///< of the right tiles
  float upper, lower;  ///< weights of the upper and lower tiles
  std::uint32_t top;   ///< the highest value that has an entry
};

/// The quads of a vector of pixels: the entries of the upper tiles and those of the lower ones,
/// each pair in 32 bits. `kSaturate`: values may lie above `top`.
template <bool kSaturate, typename T>
HWY_INLINE void fetch(const std::uint64_t* quads, std::uint32_t top, const T* in,
                      hn::Vec<DU>& upper, hn::Vec<DU>& lower) {
  const DU du;
  const DQ dq;
#if HWY_TARGET <= HWY_AVX3
  // By hand: Highway's gather leaves what was in its register before as an input, so that each
  // waits for the last; and values widen to 64 bits at once.
  const auto indices = [&](const T* from) HWY_ATTR {
    const hn::FixedTag<T, 8> eight;
    auto value = hn::LoadU(eight, from);
    if (kSaturate) value = hn::Min(value, hn::Set(eight, static_cast<T>(top)));
    if constexpr (sizeof(T) == 1) {
      return _mm512_cvtepu8_epi64(value.raw);
    } else {
      return _mm512_cvtepu16_epi64(value.raw);
    }
  };
  const auto load = [&](const T* from) HWY_ATTR {
    __mmask8 all = 0xff;
    asm("" : "+k"(all));  // a mask known to be full would take the zeros' place out again
    const hn::Vec<DQ> found{
        _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), all, indices(from), quads, 8)};
    return hn::BitCast(du, found);
  };
  const auto near = load(in);
  const auto far = load(in + 8);
#else
  const hn::Half<DU> half;
  const hn::Rebind<T, D> narrow;
  const hn::RebindToSigned<DQ> index;
  auto value = hn::PromoteTo(du, hn::LoadU(narrow, in));
  if (kSaturate) value = hn::Min(value, hn::Set(du, top));
  const auto first = hn::BitCast(index, hn::PromoteTo(dq, hn::LowerHalf(half, value)));
  const auto second = hn::BitCast(index, hn::PromoteTo(dq, hn::UpperHalf(half, value)));
  const auto near = hn::BitCast(du, hn::GatherIndex(dq, quads, first));
  const auto far = hn::BitCast(du, hn::GatherIndex(dq, quads, second));
#endif
  upper = hn::ConcatEven(du, far, near);
  lower = hn::ConcatOdd(du, far, near);
}

HWY_INLINE hn::Vec<D> low_half(hn::Vec<DU> pair) {
  return hn::ConvertTo(D(), hn::BitCast(DI(), hn::And(pair, hn::Set(DU(), 0xffffu))));
}

HWY_INLINE hn::Vec<D> high_half(hn::Vec<DU> pair) {
  return hn::ConvertTo(D(), hn::BitCast(DI(), hn::ShiftRight<16>(pair)));
}

/// As clahe_blend(), for a vector of pixels at column `x` of the cell.
template <bool kSaturate, typename T>
HWY_INLINE void blend_vector(const CellRow& row, std::int64_t x, const T* in, T* out) {
  const D d;
  const hn::Rebind<T, D> narrow;
  auto upper = hn::Zero(DU()), lower = upper;
  fetch<kSaturate>(row.quads, row.top, in, upper, lower);
  const auto right = hn::LoadU(d, row.right + x);
  const auto left = hn::LoadU(d, row.left + x);
  const auto above = hn::Add(hn::Mul(low_half(upper), left), hn::Mul(high_half(upper), right));
  const auto below = hn::Add(hn::Mul(low_half(lower), left), hn::Mul(high_half(lower), right));
  const auto blended =
      hn::Add(hn::Mul(above, hn::Set(d, row.upper)), hn::Mul(below, hn::Set(d, row.lower)));
  // Below 2^22, adding 2^23 rounds to an integer, ties to even, and leaves it in the lowest bits.
  const auto rounded = hn::BitCast(DU(), hn::Add(blended, hn::Set(d, 8388608.0F)));
  hn::StoreU(hn::TruncateTo(narrow, rounded), narrow, out);
}

template <bool kSaturate, typename T>
HWY_INLINE void blend_row(const CellRow& row, std::int64_t count, const T* in, T* out) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(D()));
  const CellRow local = row;  // in registers: stores of bytes could change what a reference names
  std::int64_t x = 0;
  for (; x + lanes <= count; x += lanes) blend_vector<kSaturate>(local, x, in + x, out + x);
  if (x == count) return;
  T rest[hn::MaxLanes(D())] = {};
  std::copy(in + x, in + count, rest);
  blend_vector<kSaturate>(local, x, rest, rest);
  std::copy(rest, rest + (count - x), out + x);
}

/// Puts ignored values back.
template <typename T>
HWY_INLINE void restore_ignored(const ClahePlan& plan, std::int64_t count, const T* in, T* out) {
  for (std::int64_t x = 0; x < count; ++x) {
    const std::uint32_t value = plan.saturated(in[x]);
    if (plan.ignores(value)) out[x] = static_cast<T>(value);
  }
}

/// Weights of the tiles left and right of `count` columns from `first` on, and of some more
/// columns.
HWY_INLINE void column_weights(int first, std::int64_t count, float inverse, float* left,
                               float* right) {
  const D d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t x = 0; x < count; x += lanes) {
    const auto at = hn::ConvertTo(d, hn::Iota(DI(), static_cast<std::int32_t>(first + x)));
    const auto in_tiles = hn::Sub(hn::Mul(at, hn::Set(d, inverse)), hn::Set(d, 0.5F));
    const auto weight = hn::Sub(in_tiles, hn::Floor(in_tiles));
    hn::StoreU(weight, d, right + x);
    hn::StoreU(hn::Sub(hn::Set(d, 1.0F), weight), d, left + x);
  }
}

/// Interleaves the tables of the four tiles, as far as one of them has values.
HWY_INLINE void gather_tables(const ClahePlan& plan, const ImageTables& tables,
                              const ClahePart& part, std::uint16_t* quads) {
  const std::uint16_t* from[4];
  Range range{plan.levels(), -1};
  for (int i = 0; i < 4; ++i) {
    from[i] = tables.entries + std::int64_t{part.tile[i]} * plan.levels();
    const Range& tile = tables.ranges[part.tile[i]];
    range = {std::min(range.low, tile.low), std::max(range.high, tile.high)};
  }
  interleave({from[0], from[1], from[2], from[3]}, range.low, range.high, quads);
}

template <typename T>
void apply_part_of(const ClahePlan& plan, const T* in, T* out, const ImageTables& tables,
                   const ClahePart& part, HistogramScratch& scratch) {
  const std::int64_t count = part.right - part.left;
  const auto levels = static_cast<std::size_t>(plan.levels());
  const auto room = static_cast<std::size_t>(count) + hn::MaxLanes(D());
  auto* quads = static_cast<std::uint16_t*>(scratch.bytes(levels * 8 + room * 8));
  auto* left = reinterpret_cast<float*>(quads + 4 * levels);
  auto* right = left + room;
  gather_tables(plan, tables, part, quads);
  column_weights(part.left, count, plan.inverse_tile_width, left, right);
  CellRow row{reinterpret_cast<const std::uint64_t*>(quads), left, right, 0, 0,
              static_cast<std::uint32_t>(levels - 1)};
  const bool saturate = plan.bits < static_cast<int>(8 * sizeof(T));
  constexpr std::int64_t kAhead = 2;
  for (int y = part.top; y < part.bottom; ++y) {
    row.lower = clahe_position(y, plan.inverse_tile_height).weight;
    row.upper = 1.0F - row.lower;
    const std::int64_t at = std::int64_t{y} * plan.width + part.left;
    if (y + kAhead < part.bottom) prefetch_row(in + at + kAhead * plan.width, count);
    if (saturate) {
      blend_row<true>(row, count, in + at, out + at);
    } else {
      blend_row<false>(row, count, in + at, out + at);
    }
    if (plan.ignores()) restore_ignored(plan, count, in + at, out + at);
  }
}
