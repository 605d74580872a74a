// Means of whole rows under a window of whole stored values: integers until the sum is complete,
// half the vectors and a third of the operations of the general way (image_preprocess_rows-inl.h).
//
// No include guard: part of image_preprocess_cpu.cpp, once per Highway target.

/// Twice kLanes stored values as 16-bit integers, unsigned or signed as they are stored.
template <class T>
using Wide16 = std::conditional_t<std::is_signed_v<T>, std::int16_t, std::uint16_t>;
template <class T>
using Tag16 = hn::Repartition<Wide16<T>, D>;
constexpr std::int64_t kLanes16 = 2 * kLanes;

template <class T>
HWY_INLINE hn::Vec<Tag16<T>> load_stored16(const T* from) {
  const Tag16<T> wide;
  if constexpr (sizeof(T) == 2) {
    return hn::LoadU(wide, from);
  } else {
    return hn::PromoteTo(wide, hn::LoadU(hn::Rebind<T, Tag16<T>>(), from));
  }
}

/// Whether the integer sum of `block` is its value: one weight for all rows, no overflow of 16
/// bits.
inline bool is_whole_box(const WindowParams& window, const RowBlock& block) {
  const std::int32_t range = window.stored_high - window.stored_low;
  if (range <= 0 || block.cached != 0 || block.kept != 0 || range * block.fresh > 65535) {
    return false;
  }
  return std::all_of(block.weight, block.weight + block.fresh,
                     [&](float weight) { return weight == block.weight[0]; });
}

template <class T>
struct BoxKernel {
  /// sum of (clamp(stored) - low) to weight * sum of (scale * (clamp(stored) - origin) + offset).
  struct Constants {
    hn::Vec<Tag16<T>> low, high;
    V excess, scale, offset;

    HWY_INLINE Constants(const WindowParams& window, const RowBlock& block)
        : low(hn::Set(Tag16<T>(), static_cast<Wide16<T>>(window.stored_low))),
          high(hn::Set(Tag16<T>(), static_cast<Wide16<T>>(window.stored_high))) {
      const auto rows = static_cast<double>(block.fresh);
      const double weight = block.weight[0];
      const D d;
      excess = hn::Set(d, static_cast<float>(rows * (double{window.origin} - window.stored_low)));
      scale = hn::Set(d, static_cast<float>(weight * window.scale));
      offset = hn::Set(d, static_cast<float>(weight * rows * window.offset));
    }
  };

  static HWY_INLINE hn::Vec<Tag16<T>> clamped(const Constants& k, const T* from) {
    return hn::Sub(hn::Min(hn::Max(load_stored16(from), k.low), k.high), k.low);
  }

  static HWY_INLINE void finish(const Constants& k, const RowBlock& block, std::int64_t x,
                                hn::Vec<Tag16<T>> sums) {
    const D d;
    const hn::Repartition<std::uint16_t, D> u16;
    const hn::Half<decltype(u16)> half;
    const hn::RebindToSigned<D> di;
    const auto bits = hn::BitCast(u16, sums);
    const V low = hn::ConvertTo(d, hn::PromoteTo(di, hn::LowerHalf(half, bits)));
    const V high = hn::ConvertTo(d, hn::PromoteTo(di, hn::UpperHalf(half, bits)));
    finish_block(block, x, hn::MulAdd(k.scale, hn::Sub(low, k.excess), k.offset));
    finish_block(block, x + static_cast<std::int64_t>(kLanes),
                 hn::MulAdd(k.scale, hn::Sub(high, k.excess), k.offset));
  }

  /// As many elements from the left as whole vectors hold.
  /// \returns how many.
  static std::int64_t run(const ImagePlan& image, const RowBlock& block) {
    const Constants k(image.window, block);
    const Tag16<T> wide;
    std::int64_t x = 0;
    for (; x + 2 * kLanes16 <= block.elements; x += 2 * kLanes16) {
      auto s0 = hn::Zero(wide), s1 = s0;
      for (int r = 0; r < block.fresh; ++r) {
        const T* from = static_cast<const T*>(block.fresh_rows[r]) + x;
        prefetch(from, block);
        s0 = hn::Add(s0, clamped(k, from));
        s1 = hn::Add(s1, clamped(k, from + kLanes16));
      }
      finish(k, block, x, s0);
      finish(k, block, x + kLanes16, s1);
    }
    return x;
  }
};
