// The vectors of batch_norm_act_cpu.cpp: what is done to a few rows of one column (a vector's worth
// of values of a row).
//
// Each has run(d, v, at, count, stride): the column begins at value `v` of a row and at index `at`
// of the tensor; `count` rows, `stride` values apart. No include guard: part of
// batch_norm_act_cpu.cpp, once per Highway target.

namespace hn = hwy::HWY_NAMESPACE;

#include "kernels/convert-inl.h"

using Wide = hn::CappedTag<float, kNormLanes>;
using One = hn::CappedTag<float, 1>;

/// 1 / (1 + exp(-v)); the exponential stays finite, so that the slope of SiLU does.
template <class D, class V>
HWY_INLINE V logistic(D d, V v) {
  const V one = hn::Set(d, 1.0f);
  const V minus = hn::Min(hn::Max(hn::Neg(v), hn::Set(d, -87.0f)), hn::Set(d, 87.0f));
  return hn::Div(one, hn::Add(one, hn::Exp(d, minus)));
}

template <NormActivation kActivation, class D, class V>
HWY_INLINE V activated(D d, V v) {
  if constexpr (kActivation == NormActivation::kRelu) {
    return hn::IfThenZeroElse(hn::Lt(v, hn::Zero(d)), v);  // NaN stays
  } else if constexpr (kActivation == NormActivation::kSilu) {
    return hn::Mul(v, logistic(d, v));
  } else {
    return v;
  }
}

/// The gradient of v from that of y; `v` is y itself for kReluY.
template <NormMask kMask, class D, class V>
HWY_INLINE V masked(D d, V dy, V v) {
  if constexpr (kMask == NormMask::kReluX || kMask == NormMask::kReluY) {
    return hn::IfThenZeroElse(hn::Le(v, hn::Zero(d)), dy);
  } else if constexpr (kMask == NormMask::kSiluX) {
    const V one = hn::Set(d, 1.0f), s = logistic(d, v);
    return hn::Mul(dy, hn::Mul(s, hn::MulAdd(v, hn::Sub(one, s), one)));
  } else {
    return dy;
  }
}

/// Sums of few rows are added to those before: shorter chains of additions round less.
template <class D, class V>
HWY_INLINE void add_to(D d, V v, float* sum) {
  hn::StoreU(hn::Add(v, hn::LoadU(d, sum)), d, sum);
}

/// Sums of x - origin and of its square.
template <typename T>
struct MomentColumns {
  const T* x;
  const float* origin;
  float* first = nullptr;
  float* second = nullptr;

  template <class D>
  HWY_INLINE void run(D d, std::int64_t v, std::int64_t at, std::int64_t count,
                      std::int64_t stride) const {
    const auto from = hn::LoadU(d, origin + v);
    auto a = hn::Zero(d), b = hn::Zero(d);
    for (std::int64_t r = 0; r < count; ++r, at += stride) {
      const auto off = hn::Sub(load_as_float(d, x + at), from);
      a = hn::Add(a, off);
      b = hn::MulAdd(off, off, b);
    }
    add_to(d, a, first + v);
    add_to(d, b, second + v);
  }
};

template <typename T, NormActivation kActivation, bool kResidual>
struct ForwardColumns {
  explicit ForwardColumns(const NormForward& f)
      : x(static_cast<const T*>(f.x)),
        residual(static_cast<const T*>(f.residual)),
        y(static_cast<T*>(f.y)),
        scale(f.scale.data()),
        shift(f.shift.data()) {}

  const T* HWY_RESTRICT x;
  const T* HWY_RESTRICT residual;
  T* HWY_RESTRICT y;
  const float* HWY_RESTRICT scale;
  const float* HWY_RESTRICT shift;

  template <class D>
  HWY_INLINE void run(D d, std::int64_t v, std::int64_t at, std::int64_t count,
                      std::int64_t stride) const {
    const auto a = hn::LoadU(d, scale + v), b = hn::LoadU(d, shift + v);
    for (std::int64_t r = 0; r < count; ++r, at += stride) {
      auto value = hn::MulAdd(load_as_float(d, x + at), a, b);
      if constexpr (kResidual) value = hn::Add(value, load_as_float(d, residual + at));
      store_from_float(d, activated<kActivation>(d, value), y + at);
    }
  }
};

/// Sums of the gradient dv of v and of dv (x - mean).
template <typename T, NormMask kMask>
struct GradientSumColumns {
  explicit GradientSumColumns(const NormBackward& b)
      : x(static_cast<const T*>(b.x)),
        dy(static_cast<const T*>(b.dy)),
        y(static_cast<const T*>(b.y)),
        dv(static_cast<T*>(b.dv)),
        mean(b.mean.data()),
        scale(b.scale.data()),
        shift(b.shift.data()) {}

  const T* x;
  const T* dy;
  const T* y;
  T* dv;  // may be dy
  const float* mean;
  const float* scale;
  const float* shift;
  float* first = nullptr;
  float* second = nullptr;

  template <class D>
  HWY_INLINE void run(D d, std::int64_t v, std::int64_t at, std::int64_t count,
                      std::int64_t stride) const {
    const auto m = hn::LoadU(d, mean + v);
    const auto scales = hn::LoadU(d, scale + v), shifts = hn::LoadU(d, shift + v);
    auto a = hn::Zero(d), b = hn::Zero(d);
    for (std::int64_t r = 0; r < count; ++r, at += stride) {
      const auto in = load_as_float(d, x + at);
      auto before = hn::MulAdd(in, scales, shifts);
      if constexpr (kMask == NormMask::kReluY) before = load_as_float(d, y + at);
      const auto gradient = masked<kMask>(d, load_as_float(d, dy + at), before);
      if constexpr (kMask == NormMask::kReluY) store_from_float(d, gradient, dv + at);
      a = hn::Add(a, gradient);
      b = hn::MulAdd(gradient, hn::Sub(in, m), b);
    }
    add_to(d, a, first + v);
    add_to(d, b, second + v);
  }
};

template <typename T, NormMask kMask>
struct GradientColumns {
  explicit GradientColumns(const NormBackward& b)
      : x(static_cast<const T*>(b.x)),
        dy(static_cast<const T*>(b.mask == NormMask::kReluY ? b.dv : b.dy)),
        dx(static_cast<T*>(b.dx)),
        mean(b.mean.data()),
        scale(b.scale.data()),
        shift(b.shift.data()),
        slope(b.slope.data()),
        tilt(b.tilt.data()),
        offset(b.offset.data()) {}

  const T* x;
  const T* dy;
  T* dx;  // may be dy
  const float* mean;
  const float* scale;
  const float* shift;
  const float* slope;
  const float* tilt;
  const float* offset;

  template <class D>
  HWY_INLINE void run(D d, std::int64_t v, std::int64_t at, std::int64_t count,
                      std::int64_t stride) const {
    const auto m = hn::LoadU(d, mean + v);
    const auto scales = hn::LoadU(d, scale + v), shifts = hn::LoadU(d, shift + v);
    const auto s = hn::LoadU(d, slope + v), t = hn::LoadU(d, tilt + v);
    const auto o = hn::LoadU(d, offset + v);
    for (std::int64_t r = 0; r < count; ++r, at += stride) {
      const auto in = load_as_float(d, x + at);
      const auto before = hn::MulAdd(in, scales, shifts);
      const auto gradient = masked<kMask>(d, load_as_float(d, dy + at), before);
      const auto rest = hn::MulAdd(hn::Sub(in, m), t, o);
      store_from_float(d, hn::MulAdd(gradient, s, rest), dx + at);
    }
  }
};
