// Vertical half of the CPU kernel: stored rows in, one windowed and resampled row out.
//
// No include guard: part of image_preprocess_cpu.cpp, once per Highway target.

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_HAVE_SCALABLE
using D = hn::FixedTag<float, 4>;
#else
using D = hn::CappedTag<float, 16>;
#endif
using V = hn::Vec<D>;
constexpr std::size_t kLanes = hn::MaxLanes(D());
static_assert(kLanes == 4 || kLanes == 8 || kLanes == 16);

/// Highway's side of image_preprocess_math.h.
struct VectorMath {
  using V = hn::Vec<D>;
  static HWY_INLINE V set(float value) { return hn::Set(D(), value); }
  static HWY_INLINE V sub(V a, V b) { return hn::Sub(a, b); }
  static HWY_INLINE V mul(V a, V b) { return hn::Mul(a, b); }
  static HWY_INLINE V div(V a, V b) { return hn::Div(a, b); }
  static HWY_INLINE V fma(V a, V b, V c) { return hn::MulAdd(a, b, c); }
  static HWY_INLINE V min(V a, V b) { return hn::Min(a, b); }
  static HWY_INLINE V max(V a, V b) { return hn::Max(a, b); }
  static HWY_INLINE V clamp01(V a) { return min(max(a, set(0.0F)), set(1.0F)); }
  static HWY_INLINE V round(V a) { return hn::Round(a); }
  static HWY_INLINE V keep_nan(V in, V out) { return hn::IfThenElse(hn::IsNaN(in), in, out); }
  static HWY_INLINE V pow2(V exponent) {
    const hn::RebindToSigned<D> di;
    const auto biased = hn::Add(hn::ConvertTo(di, exponent), hn::Set(di, 127));
    return hn::BitCast(D(), hn::ShiftLeft<23>(biased));
  }
  static HWY_INLINE V look_up(const float* table, V index) {
    return hn::GatherIndex(D(), table, hn::ConvertTo(hn::RebindToSigned<D>(), index));
  }
  static HWY_INLINE V select_between(V x, V low, V high, V inside, V outside) {
    return hn::IfThenElse(hn::And(hn::Ge(x, low), hn::Le(x, high)), inside, outside);
  }
};

template <class T>
HWY_INLINE V load_stored(const T* from) {
  if constexpr (sizeof(T) == 4) {
    return hn::LoadU(D(), from);
  } else {
    const hn::Rebind<T, D> narrow;
    const hn::RebindToSigned<D> wide;
    return hn::ConvertTo(D(), hn::PromoteTo(wide, hn::LoadU(narrow, from)));
  }
}

/// The last values of a row, without reading beyond it.
template <class T>
HWY_INLINE V load_stored_some(const T* from, std::size_t count) {
  HWY_ALIGN T padded[kLanes] = {};
  std::memcpy(padded, from, count * sizeof(T));
  return load_stored(padded);
}

/// At most this many terms are added in plain float32; the sums of such blocks are added with
/// Kahan's compensation, so that a mean over thousands of rows is as exact as one over sixteen.
constexpr int kBlockTerms = 16;

/// Up to kBlockTerms source rows of one output row, in source order: first those that are windowed
/// already, then fresh ones, then fresh ones that are kept for the next output row.
struct RowBlock {
  int cached = 0, fresh = 0, kept = 0;
  const float* cached_rows[kBlockTerms];
  const void* fresh_rows[kBlockTerms];
  const void* kept_rows[kBlockTerms];
  float* keep[kBlockTerms];
  const float* weight;    // of all three in turn
  std::int64_t elements;  // of a row
  float* line;            // the output row
  float* lost;            // Kahan's compensation
  std::int64_t ahead;     // elements to the row that is read after these
  bool first, last;       // block of this output row
};

/// Asks for the next row's part of the same columns. A row of 2,048 16-bit pixels is one page, so
/// the hardware, which does not look beyond a page, would begin anew with each row.
template <class T>
HWY_INLINE void prefetch(const T* from, const RowBlock& block) {
  constexpr std::int64_t kLine = 64 / sizeof(T);
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(4 * kLanes); i += kLine) {
    hwy::Prefetch(from + block.ahead + i);
  }
}

HWY_INLINE void finish_block(const RowBlock& block, std::int64_t x, V sum) {
  const D d;
  if (block.first) {
    hn::Store(sum, d, block.line + x);
    if (!block.last) hn::Store(hn::Zero(d), d, block.lost + x);
    return;
  }
  const V before = hn::Load(d, block.line + x);
  const V term = hn::Sub(sum, hn::Load(d, block.lost + x));
  const V after = hn::Add(before, term);
  hn::Store(after, d, block.line + x);
  hn::Store(hn::Sub(hn::Sub(after, before), term), d, block.lost + x);
}

#include "kernels/image_preprocess_boxes-inl.h"

template <class T, WindowOp op, bool kPadding>
struct RowKernel {
  using Constants = WindowConstants<VectorMath>;

  static HWY_INLINE V window(const Constants& k, V stored) {
    return windowed < VectorMath, op, kPadding, sizeof(T) == 4 > (k, stored);
  }

  static HWY_INLINE void add(const Constants& k, const T* from, V weight, V& s0, V& s1, V& s2,
                             V& s3) {
    s0 = hn::MulAdd(weight, window(k, load_stored(from)), s0);
    s1 = hn::MulAdd(weight, window(k, load_stored(from + kLanes)), s1);
    s2 = hn::MulAdd(weight, window(k, load_stored(from + 2 * kLanes)), s2);
    s3 = hn::MulAdd(weight, window(k, load_stored(from + 3 * kLanes)), s3);
  }

  static HWY_INLINE void add_kept(const Constants& k, const T* from, float* keep, V weight, V& s0,
                                  V& s1, V& s2, V& s3) {
    const D d;
    const V v0 = window(k, load_stored(from));
    const V v1 = window(k, load_stored(from + kLanes));
    const V v2 = window(k, load_stored(from + 2 * kLanes));
    const V v3 = window(k, load_stored(from + 3 * kLanes));
    hn::Store(v0, d, keep);
    hn::Store(v1, d, keep + kLanes);
    hn::Store(v2, d, keep + 2 * kLanes);
    hn::Store(v3, d, keep + 3 * kLanes);
    s0 = hn::MulAdd(weight, v0, s0);
    s1 = hn::MulAdd(weight, v1, s1);
    s2 = hn::MulAdd(weight, v2, s2);
    s3 = hn::MulAdd(weight, v3, s3);
  }

  /// Four vectors: enough independent sums to hide the latency of the fused multiply-add.
  static HWY_INLINE void four(const Constants& k, const RowBlock& block, std::int64_t x) {
    const D d;
    V s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
    const float* weight = block.weight;
    for (int r = 0; r < block.cached; ++r) {
      const V w = hn::Set(d, *weight++);
      const float* from = block.cached_rows[r] + x;
      s0 = hn::MulAdd(w, hn::Load(d, from), s0);
      s1 = hn::MulAdd(w, hn::Load(d, from + kLanes), s1);
      s2 = hn::MulAdd(w, hn::Load(d, from + 2 * kLanes), s2);
      s3 = hn::MulAdd(w, hn::Load(d, from + 3 * kLanes), s3);
    }
    for (int r = 0; r < block.fresh; ++r) {
      const T* from = static_cast<const T*>(block.fresh_rows[r]) + x;
      prefetch(from, block);
      add(k, from, hn::Set(d, *weight++), s0, s1, s2, s3);
    }
    for (int r = 0; r < block.kept; ++r) {
      add_kept(k, static_cast<const T*>(block.kept_rows[r]) + x, block.keep[r] + x,
               hn::Set(d, *weight++), s0, s1, s2, s3);
    }
    finish_block(block, x, s0);
    finish_block(block, x + kLanes, s1);
    finish_block(block, x + 2 * kLanes, s2);
    finish_block(block, x + 3 * kLanes, s3);
  }

  static HWY_INLINE void one(const Constants& k, const RowBlock& block, std::int64_t x) {
    const D d;
    const auto count = static_cast<std::size_t>(std::min<std::int64_t>(kLanes, block.elements - x));
    V sum = hn::Zero(d);
    const float* weight = block.weight;
    for (int r = 0; r < block.cached; ++r) {
      sum = hn::MulAdd(hn::Set(d, *weight++), hn::Load(d, block.cached_rows[r] + x), sum);
    }
    for (int r = 0; r < block.fresh; ++r) {
      const T* from = static_cast<const T*>(block.fresh_rows[r]) + x;
      sum = hn::MulAdd(hn::Set(d, *weight++), window(k, load_stored_some(from, count)), sum);
    }
    for (int r = 0; r < block.kept; ++r) {
      const T* from = static_cast<const T*>(block.kept_rows[r]) + x;
      const V value = window(k, load_stored_some(from, count));
      hn::Store(value, d, block.keep[r] + x);
      sum = hn::MulAdd(hn::Set(d, *weight++), value, sum);
    }
    finish_block(block, x, sum);
  }

  static void run(const ImagePlan& image, const RowBlock& block) {
    const Constants k(image.window, image.table);
    constexpr std::int64_t kStep = 4 * kLanes;
    std::int64_t x = 0;
    if constexpr (op == WindowOp::kClamp && !kPadding && sizeof(T) < 4) {
      if (is_whole_box(image.window, block)) x = BoxKernel<T>::run(image, block);
    }
    for (; x + kStep <= block.elements; x += kStep) four(k, block, x);
    for (; x < block.elements; x += kLanes) one(k, block, x);
  }
};

using RowFunction = void (*)(const ImagePlan&, const RowBlock&);

template <class T, bool kPadding>
RowFunction row_function_of(WindowOp op) {
  switch (op) {
    case WindowOp::kAffine:
      return RowKernel<T, WindowOp::kAffine, kPadding>::run;
    case WindowOp::kSigmoid:
      return RowKernel<T, WindowOp::kSigmoid, kPadding>::run;
    case WindowOp::kTable:
      return RowKernel<T, WindowOp::kTable, kPadding>::run;
    default:
      return RowKernel<T, WindowOp::kClamp, kPadding>::run;
  }
}

template <class T>
RowFunction row_function_of(const ImagePlan& image) {
  return image.has_padding != 0 ? row_function_of<T, true>(image.op)
                                : row_function_of<T, false>(image.op);
}

inline RowFunction row_function(const ImagePlan& image) {
  switch (image.type) {
    case PixelType::kUint8:
      return row_function_of<std::uint8_t>(image);
    case PixelType::kInt8:
      return row_function_of<std::int8_t>(image);
    case PixelType::kUint16:
      return row_function_of<std::uint16_t>(image);
    case PixelType::kInt16:
      return row_function_of<std::int16_t>(image);
    default:
      return row_function_of<float>(image);
  }
}

/// Resamples the output rows of one strip in turn. A source row that two of them share is windowed
/// once and kept in a ring.
class RowResampler {
 public:
  RowResampler(const ImagePlan& image, const Axis& rows, const Axis& columns, float* ring,
               float* lost, std::int64_t stride)
      : image_(image),
        rows_(rows),
        function_(row_function(image)),
        ring_(ring),
        lost_(lost),
        stride_(stride),
        element_bytes_(pixel_bytes(image.type)),
        offset_(std::int64_t{columns.span_begin} * image.components),
        elements_(std::int64_t{columns.span_end - columns.span_begin} * image.components) {}

  /// Output row `o`, `o` rising by one from call to call; `last` of the strip keeps nothing.
  void run(std::int32_t o, bool last, float* line) {
    const std::int32_t first = rows_.first[o], terms = rows_.begin[o + 1] - rows_.begin[o];
    const std::int32_t keep_from = last ? first + terms : rows_.first[o + 1];
    for (std::int32_t done = 0; done < terms; done += kBlockTerms) {
      RowBlock block;
      block.weight = rows_.weight.data() + rows_.begin[o] + done;
      block.elements = elements_;
      block.line = line;
      block.lost = lost_;
      block.ahead = terms * image_.row_stride;
      block.first = done == 0;
      block.last = done + kBlockTerms >= terms;
      const std::int32_t end = std::min(done + kBlockTerms, terms);
      for (std::int32_t r = done; r < end; ++r) add_row(block, first + r, keep_from);
      function_(image_, block);
    }
    cached_end_ = first + terms;
  }

 private:
  void add_row(RowBlock& block, std::int32_t y, std::int32_t keep_from) {
    if (y < cached_end_) {
      block.cached_rows[block.cached++] = slot(y);
    } else if (y < keep_from) {
      block.fresh_rows[block.fresh++] = source(y);
    } else {
      block.kept_rows[block.kept] = source(y);
      block.keep[block.kept++] = slot(y);
    }
  }

  /// A kept row may take the slot of a cached one that this output row still reads: the kernel
  /// reads each element before it writes there.
  float* slot(std::int32_t y) { return ring_ + (y % rows_.shared) * stride_; }

  const void* source(std::int32_t y) const {
    return static_cast<const char*>(image_.pixels) +
           (y * image_.row_stride + offset_) * element_bytes_;
  }

  const ImagePlan& image_;
  const Axis& rows_;
  RowFunction function_;
  float* ring_;
  float* lost_;
  std::int64_t stride_;
  std::int64_t element_bytes_;
  std::int64_t offset_;
  std::int64_t elements_;
  std::int32_t cached_end_ = 0;  // source rows before this one that are needed are in the ring
};
