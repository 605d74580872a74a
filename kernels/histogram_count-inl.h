// Included inside HWY_NAMESPACE by the CPU halves of clahe and histogram_equalize: counting pixels
// and turning counts into tables.

namespace hn = hwy::HWY_NAMESPACE;

/// Asks for the cache lines of a row that comes soon: the processor's own prefetcher stops at the
/// end of a page, and a row of a large image is one.
template <typename T>
HWY_INLINE void prefetch_row(const T* row, std::int64_t count) {
  constexpr std::int64_t kPerLine = 64 / sizeof(T);
  for (std::int64_t x = 0; x < count; x += kPerLine) hwy::Prefetch(row + x);
}

/// Counts values into several histograms that are added up at the end: neighbours are often equal,
/// and two increments of one counter in a row wait for each other in the store buffer. Two copies
/// of 4096 bins fit the first-level cache; four do not.
class Counter {
 public:
  /// Words of memory for 2^bits levels.
  static std::size_t words(int bits) { return copies(bits) << bits; }

  /// All values that come lie in [low, high]; the counts of others are not touched. `counts`:
  /// words(bits) of any content.
  Counter(std::uint32_t* counts, int bits, std::int32_t low, std::int32_t high)
      : counts_(counts),
        levels_(std::size_t{1} << bits),
        bits_(bits),
        low_(static_cast<std::size_t>(low)),
        size_(static_cast<std::size_t>(high - low + 1)) {
    for (std::size_t copy = 0; copy < copies(bits); ++copy) {
      std::memset(counts + copy * levels_ + low_, 0, size_ * sizeof(std::uint32_t));
    }
  }

  HWY_INLINE void add(std::uint32_t value) {
    ++counts_[std::min(value, static_cast<std::uint32_t>(levels_ - 1))];
  }

  template <typename T>
  void add_row(const T* row, std::int64_t count) {
    if (bits_ < static_cast<int>(8 * sizeof(T)) && has_above(row, count)) {
      for (std::int64_t x = 0; x < count; ++x) add(row[x]);
      return;
    }
    const bool four = copies(bits_) == 4;
    std::uint32_t* const second = counts_ + levels_;
    count_row(row, count, second, four ? second + levels_ : counts_,
              four ? second + 2 * levels_ : second);
  }

  /// Adds the copies up into the first, which it returns.
  std::uint32_t* merge() {
    const hn::ScalableTag<std::uint32_t> d;
    const std::size_t lanes = hn::Lanes(d);
    std::uint32_t* to = counts_ + low_;
    for (std::size_t copy = 1; copy < copies(bits_); ++copy) {
      const std::uint32_t* from = to + copy * levels_;
      std::size_t i = 0;
      for (; i + lanes <= size_; i += lanes) {
        hn::StoreU(hn::Add(hn::LoadU(d, to + i), hn::LoadU(d, from + i)), d, to + i);
      }
      for (; i < size_; ++i) to[i] += from[i];
    }
    return counts_;
  }

 private:
  static std::size_t copies(int bits) { return bits <= 11 ? 4 : 2; }

  template <typename T>
  HWY_INLINE void count_row(const T* row, std::int64_t count, std::uint32_t* b, std::uint32_t* c,
                            std::uint32_t* d) {
    std::uint32_t* const a = counts_;
    constexpr std::int64_t kPerWord = 8 / sizeof(T);
    constexpr int kShift = 8 * sizeof(T);
    constexpr std::uint64_t kMask = (std::uint64_t{1} << kShift) - 1;
    std::int64_t x = 0;
    for (; x + kPerWord <= count; x += kPerWord) {
      std::uint64_t word;
      std::memcpy(&word, row + x, 8);
      for (std::int64_t i = 0; i < kPerWord; i += 4) {
        ++a[word & kMask];
        ++b[(word >> kShift) & kMask];
        ++c[(word >> (2 * kShift)) & kMask];
        ++d[(word >> (3 * kShift)) & kMask];
        if constexpr (kPerWord > 4) word >>= 4 * kShift;
      }
    }
    for (; x < count; ++x) ++a[row[x]];
  }

  /// True if a value needs more than `bits_` bits.
  template <typename T>
  bool has_above(const T* row, std::int64_t count) const {
    const hn::ScalableTag<T> d;
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
    auto all = hn::Zero(d);
    std::int64_t x = 0;
    for (; x + lanes <= count; x += lanes) all = hn::Or(all, hn::LoadU(d, row + x));
    T rest = 0;
    for (; x < count; ++x) rest = static_cast<T>(rest | row[x]);
    const auto top = hn::Set(d, static_cast<T>(levels_ - 1));
    return rest >= levels_ || !hn::AllTrue(d, hn::Eq(hn::Or(all, top), top));
  }

  std::uint32_t* counts_;
  std::size_t levels_;
  int bits_;
  std::size_t low_, size_;
};

/// Sum of the lanes up to and including each, in logarithmic steps.
class LaneScan {
 public:
  using D = hn::ScalableTag<std::uint32_t>;

  LaneScan() : last_(hn::SetTableIndices(D(), last_lane().data())) {}

  HWY_INLINE hn::Vec<D> operator()(hn::Vec<D> v) const { return step<1>(v); }
  /// The last lane of `v` in all lanes.
  HWY_INLINE hn::Vec<D> last(hn::Vec<D> v) const { return hn::TableLookupLanes(v, last_); }

 private:
  using Lanes = std::array<std::int32_t, hn::MaxLanes(D())>;

  static Lanes last_lane() {
    Lanes lanes;
    lanes.fill(static_cast<std::int32_t>(hn::Lanes(D())) - 1);
    return lanes;
  }

  template <int kStep>
  HWY_INLINE hn::Vec<D> step(hn::Vec<D> v) const {
    if constexpr (kStep >= static_cast<int>(hn::MaxLanes(D()))) {
      return v;
    } else {
      const D d;
      Lanes from;
      for (int i = 0; i < static_cast<int>(from.size()); ++i) from[i] = i < kStep ? 0 : i - kStep;
      const auto moved = hn::TableLookupLanes(v, hn::SetTableIndices(d, from.data()));
      const auto inside = hn::Not(hn::FirstN(d, kStep));
      return step<2 * kStep>(hn::Add(v, hn::IfThenElseZero(inside, moved)));
    }
  }

  decltype(hn::SetTableIndices(D(), static_cast<const std::int32_t*>(nullptr))) last_;
};

/// entries[i] = round((before + counts 0 .. i, each plus `extra`) * scale) in [0, levels), for `size`
/// counts; a sum below 0 counts as 0.
HWY_INLINE void scan_into_entries(const std::uint32_t* counts, std::int64_t size,
                                  std::uint32_t extra, std::int32_t before, float scale,
                                  std::int32_t levels, std::uint16_t* entries) {
  const hn::ScalableTag<std::uint32_t> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<float, decltype(d)> df;
  const hn::Rebind<std::uint16_t, decltype(d)> d16;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const LaneScan scan;
  const auto more = hn::Set(d, extra);
  const auto factor = hn::Set(df, scale);
  const auto top = hn::Set(di, levels - 1);
  auto below = hn::Set(d, static_cast<std::uint32_t>(before));
  std::int64_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    const auto sums = hn::Add(scan(hn::Add(hn::LoadU(d, counts + i), more)), below);
    below = scan.last(sums);
    const auto sum = hn::Max(hn::BitCast(di, sums), hn::Zero(di));
    const auto entry = hn::NearestInt(hn::Mul(hn::ConvertTo(df, sum), factor));
    hn::StoreU(hn::DemoteTo(d16, hn::Min(entry, top)), d16, entries + i);
  }
  auto sum = static_cast<std::int32_t>(hn::GetLane(below));
  for (; i < size; ++i) {
    sum += static_cast<std::int32_t>(counts[i] + extra);
    entries[i] = histogram_entry(static_cast<std::uint32_t>(std::max(sum, 0)), scale, levels);
  }
}
