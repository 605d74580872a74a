// Horizontal half of the CPU kernel: resampled rows in, normalised rows of the output out.
//
// No include guard: part of image_preprocess_cpu.cpp, once per Highway target.

/// In each 128-bit block: four rows of four become four columns of four.
HWY_INLINE void transpose_blocks(V& a, V& b, V& c, V& e) {
  const D d;
  const V ac_low = hn::InterleaveLower(d, a, c), ac_high = hn::InterleaveUpper(d, a, c);
  const V be_low = hn::InterleaveLower(d, b, e), be_high = hn::InterleaveUpper(d, b, e);
  a = hn::InterleaveLower(d, ac_low, be_low);
  b = hn::InterleaveUpper(d, ac_low, be_low);
  c = hn::InterleaveLower(d, ac_high, be_high);
  e = hn::InterleaveUpper(d, ac_high, be_high);
}

/// Four columns of rows 0, 4, 8, ... : one 128-bit block from each.
template <class Tag>
HWY_INLINE hn::Vec<Tag> load_blocks(Tag tag, const float* from, std::int64_t stride) {
  constexpr auto kRows = static_cast<std::int64_t>(hn::MaxLanes(tag));
  if constexpr (kRows == 4) {
    return hn::Load(tag, from);
  } else {
    const hn::Half<Tag> half;
    return hn::Combine(tag, load_blocks(half, from + kRows / 2 * stride, stride),
                       load_blocks(half, from, stride));
  }
}

template <class Tag>
HWY_INLINE void store_blocks(Tag tag, hn::Vec<Tag> v, float* to, std::int64_t stride) {
  constexpr auto kRows = static_cast<std::int64_t>(hn::MaxLanes(tag));
  if constexpr (kRows == 4) {
    hn::Store(v, tag, to);
  } else {
    const hn::Half<Tag> half;
    store_blocks(half, hn::LowerHalf(half, v), to, stride);
    store_blocks(half, hn::UpperHalf(half, v), to + kRows / 2 * stride, stride);
  }
}

/// kLanes rows, `stride` apart, to columns: to[x * kLanes + row].
inline void transpose_rows(const float* from, std::int64_t stride, std::int64_t elements,
                           float* to) {
  const D d;
  for (std::int64_t x = 0; x < elements; x += 4) {
    V a = load_blocks(d, from + x, stride);
    V b = load_blocks(d, from + x + stride, stride);
    V c = load_blocks(d, from + x + 2 * stride, stride);
    V e = load_blocks(d, from + x + 3 * stride, stride);
    transpose_blocks(a, b, c, e);
    float* column = to + x * static_cast<std::int64_t>(kLanes);
    hn::Store(a, d, column);
    hn::Store(b, d, column + kLanes);
    hn::Store(c, d, column + 2 * kLanes);
    hn::Store(e, d, column + 3 * kLanes);
  }
}

/// Weighted sum of columns `step` apart, in blocks as the rows are (kBlockTerms).
HWY_INLINE V sum_columns(const float* from, std::int64_t step, const float* weight,
                         std::int32_t terms) {
  const D d;
  V total = hn::Zero(d), lost = total;
  for (std::int32_t done = 0; done < terms; done += kBlockTerms) {
    const std::int32_t end = std::min(done + kBlockTerms, terms);
    V sum = hn::Zero(d);
    for (std::int32_t k = done; k < end; ++k, from += step) {
      sum = hn::MulAdd(hn::Set(d, weight[k]), hn::Load(d, from), sum);
    }
    if (done == 0) {
      total = sum;
      continue;
    }
    const V term = hn::Sub(sum, lost);
    const V after = hn::Add(total, term);
    lost = hn::Sub(hn::Sub(after, total), term);
    total = after;
  }
  return total;
}

/// Any filter, kLanes rows at once: columns as transpose_rows() made them to rows of the output's
/// width, one per component.
///
/// \param to  row r, component c at to + r * row_stride + c * component_stride.
inline void resample_columns(const float* columns, const Axis& axis, std::int32_t components,
                             float* to, std::int64_t row_stride, std::int64_t component_stride) {
  const auto width = static_cast<std::int32_t>(axis.first.size());
  const std::int64_t step = static_cast<std::int64_t>(kLanes) * components;
  const auto at = [&](std::int32_t o, std::int32_t c) {
    if (o >= width) return hn::Zero(D());
    const std::int64_t first = axis.first[o] - axis.span_begin;
    return sum_columns(columns + first * step + c * static_cast<std::int64_t>(kLanes), step,
                       axis.weight.data() + axis.begin[o], axis.begin[o + 1] - axis.begin[o]);
  };
  for (std::int32_t c = 0; c < components; ++c) {
    for (std::int32_t o = 0; o < width; o += 4) {
      V v0 = at(o, c), v1 = at(o + 1, c), v2 = at(o + 2, c), v3 = at(o + 3, c);
      transpose_blocks(v0, v1, v2, v3);
      float* corner = to + c * component_stride + o;
      store_blocks(D(), v0, corner, row_stride);
      store_blocks(D(), v1, corner + row_stride, row_stride);
      store_blocks(D(), v2, corner + 2 * row_stride, row_stride);
      store_blocks(D(), v3, corner + 3 * row_stride, row_stride);
    }
  }
}

/// Boxes of a whole number of columns, one row, no transposition: kBox neighbours are averaged.
template <int kBox>
void average_columns(const float* line, std::int32_t width, float weight, float* to) {
  const D d;
  const V scale = hn::Set(d, weight);
  for (std::int32_t o = 0; o < width; o += static_cast<std::int32_t>(kLanes)) {
    const float* from = line + std::int64_t{o} * kBox;
    V a, b, c, e;
    if constexpr (kBox == 1) {
      a = hn::LoadU(d, from);
    } else if constexpr (kBox == 2) {
      hn::LoadInterleaved2(d, from, a, b);
      a = hn::Mul(hn::Add(a, b), scale);
    } else if constexpr (kBox == 3) {
      hn::LoadInterleaved3(d, from, a, b, c);
      a = hn::Mul(hn::Add(hn::Add(a, b), c), scale);
    } else {
      hn::LoadInterleaved4(d, from, a, b, c, e);
      a = hn::Mul(hn::Add(hn::Add(a, b), hn::Add(c, e)), scale);
    }
    hn::Store(a, d, to + o);
  }
}

inline void average_columns(const float* line, const Axis& axis, float* to) {
  const auto width = static_cast<std::int32_t>(axis.first.size());
  const float weight = axis.weight[0];
  switch (axis.box) {
    case 1:
      return average_columns<1>(line, width, weight, to);
    case 2:
      return average_columns<2>(line, width, weight, to);
    case 3:
      return average_columns<3>(line, width, weight, to);
    default:
      return average_columns<4>(line, width, weight, to);
  }
}

using HalfBits = hn::Rebind<std::uint16_t, D>;

/// Round to nearest even, NaN to 0x7FC0, as c10::BFloat16 does.
HWY_INLINE hn::Vec<HalfBits> to_bfloat16(V v) {
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;
  const auto bits = hn::BitCast(du, v);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1U));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7FFFU))));
  const auto nan = hn::RebindMask(du, hn::IsNaN(v));
  return hn::DemoteTo(HalfBits(),
                      hn::BitCast(di, hn::IfThenElse(nan, hn::Set(du, 0x7FC0U), rounded)));
}

/// Round to nearest even, subnormals and infinities included: the hardware rounds the mantissa when
/// a power of two that aligns it is added (the method of c10::Half).
HWY_INLINE hn::Vec<HalfBits> to_float16(V v) {
  const D d;
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;
  const auto bits = hn::BitCast(du, v);
  const auto doubled = hn::Add(bits, bits);
  const V to_infinity = hn::BitCast(d, hn::Set(du, 0x77800000U));
  const V to_zero = hn::BitCast(d, hn::Set(du, 0x08800000U));
  const V base = hn::Mul(hn::Mul(hn::Abs(v), to_infinity), to_zero);
  const auto exponent =
      hn::Max(hn::And(doubled, hn::Set(du, 0xFF000000U)), hn::Set(du, 0x71000000U));
  const V align = hn::BitCast(d, hn::Add(hn::ShiftRight<1>(exponent), hn::Set(du, 0x07800000U)));
  const auto sum = hn::BitCast(du, hn::Add(align, base));
  const auto number = hn::Add(hn::And(hn::ShiftRight<13>(sum), hn::Set(du, 0x7C00U)),
                              hn::And(sum, hn::Set(du, 0x0FFFU)));
  const auto nan = hn::RebindMask(du, hn::IsNaN(v));
  const auto unsigned_half = hn::IfThenElse(nan, hn::Set(du, 0x7E00U), number);
  const auto sign = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 0x8000U));
  return hn::DemoteTo(HalfBits(), hn::BitCast(di, hn::Or(sign, unsigned_half)));
}

/// Writes rows of one output image in the output's type.
class RowWriter {
 public:
  RowWriter(const OutputPlan& out, std::int64_t image) : out_(out), image_(image) {}

  /// Columns [left, left + width) of row `y` from the resampled row: gray to all channels, RGB to
  /// RGB, or RGB to luma.
  void write(std::int32_t y, std::int32_t left, std::int32_t width, const float* line,
             std::int64_t component_stride, std::int32_t components) const {
    for (std::int32_t c = 0; c < out_.channels; ++c) {
      const float* from =
          components == 3 && out_.channels == 3 ? line + c * component_stride : line;
      const bool mix = components == 3 && out_.channels == 1;
      put(c, y, left, width, [&](std::int32_t x) {
        const V value = hn::Load(D(), from + x);
        if (!mix) return value;
        return luma<VectorMath>(value, hn::Load(D(), from + component_stride + x),
                                hn::Load(D(), from + 2 * component_stride + x));
      });
    }
  }

  void fill(std::int32_t y, std::int32_t left, std::int32_t width) const {
    const V value = hn::Set(D(), out_.pad_value);
    for (std::int32_t c = 0; c < out_.channels; ++c) {
      put(c, y, left, width, [&](std::int32_t) { return value; });
    }
  }

 private:
  template <class Value>
  HWY_INLINE void put(std::int32_t c, std::int32_t y, std::int32_t left, std::int32_t width,
                      const Value& value) const {
    const D d;
    const V gain = hn::Set(d, out_.gain[c]), bias = hn::Set(d, out_.bias[c]);
    const std::int64_t row = (image_ * out_.channels + c) * out_.height + y;
    const std::int64_t place = row * out_.width + left;
    for (std::int32_t x = 0; x < width; x += static_cast<std::int32_t>(kLanes)) {
      store(hn::MulAdd(value(x), gain, bias), place + x,
            std::min<std::int64_t>(static_cast<std::int64_t>(kLanes), width - x));
    }
  }

  HWY_INLINE void store(V v, std::int64_t place, std::int64_t count) const {
    if (out_.type == OutputType::kFloat32) {
      store_some(D(), v, static_cast<float*>(out_.data) + place, count);
    } else if (out_.type == OutputType::kFloat16) {
      store_some(HalfBits(), to_float16(v), static_cast<std::uint16_t*>(out_.data) + place, count);
    } else {
      store_some(HalfBits(), to_bfloat16(v), static_cast<std::uint16_t*>(out_.data) + place, count);
    }
  }

  /// Never writes beyond `count`: the next row may be another thread's.
  template <class Tag, class Value, class T>
  static HWY_INLINE void store_some(Tag tag, Value v, T* to, std::int64_t count) {
    if (count == static_cast<std::int64_t>(kLanes)) {
      hn::StoreU(v, tag, to);
      return;
    }
    HWY_ALIGN T whole[kLanes];
    hn::Store(v, tag, whole);
    std::memcpy(to, whole, static_cast<std::size_t>(count) * sizeof(T));
  }

  const OutputPlan& out_;
  std::int64_t image_;
};
