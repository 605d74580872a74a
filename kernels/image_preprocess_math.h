// Per-element maths of image_preprocess, written once for the host, the GPU and Highway's vectors.
//
// No include guard: the CPU kernel includes this text once per Highway target, inside its
// namespace, so that the functions take that target's instruction set. `M` supplies the value type
// V and its operations: Scalar below for the GPU and the emulator, VectorMath in
// image_preprocess_cpu.cpp. Include kernels/device.h and kernels/image_preprocess_plan.h before.

/// 1 / (1 + exp(-t)) to 3e-7. exp by Cody-Waite reduction and the Taylor polynomial of degree 7 on
/// |r| <= ln(2) / 2, where its remainder is below 1e-8.
template <class M>
SALUS_HD typename M::V sigmoid(typename M::V t) {
  using V = typename M::V;
  const V x = M::max(M::min(M::mul(t, M::set(-1.0F)), M::set(87.0F)), M::set(-87.0F));
  const V n = M::round(M::mul(x, M::set(1.44269504F)));
  V r = M::fma(n, M::set(-0.693145752F), x);
  r = M::fma(n, M::set(-1.42860677e-6F), r);
  V p = M::set(1.98412698e-4F);
  p = M::fma(p, r, M::set(1.38888889e-3F));
  p = M::fma(p, r, M::set(8.33333333e-3F));
  p = M::fma(p, r, M::set(4.16666667e-2F));
  p = M::fma(p, r, M::set(1.66666667e-1F));
  p = M::fma(p, r, M::set(0.5F));
  p = M::fma(p, r, M::set(1.0F));
  p = M::fma(p, r, M::set(1.0F));
  const V one = M::set(1.0F);
  return M::div(one, M::fma(p, M::pow2(n), one));
}

/// Constants of one image's window as values of M.
template <class M>
struct WindowConstants {
  typename M::V scale, origin, offset, padding_low, padding_high, pad_value;
  const float* table;

  SALUS_HD WindowConstants(const WindowParams& params, const float* entries)
      : scale(M::set(params.scale)),
        origin(M::set(params.origin)),
        offset(M::set(params.offset)),
        padding_low(M::set(params.padding_low)),
        padding_high(M::set(params.padding_high)),
        pad_value(M::set(params.pad_value)),
        table(entries) {}
};

/// Stored values to windowed ones, as WindowParams says. `kMayBeNan`: whether NaN can come in; it
/// then goes out again (min and max alone would drop it).
template <class M, WindowOp op, bool kPadding, bool kMayBeNan>
SALUS_HD typename M::V windowed(const WindowConstants<M>& k, typename M::V stored) {
  using V = typename M::V;
  const V zero = M::set(0.0F);
  const V centred = M::sub(stored, k.origin);
  V value;
  if constexpr (op == WindowOp::kTable) {
    value = M::look_up(k.table, M::min(M::max(centred, zero), k.scale));
  } else {
    value = M::fma(k.scale, centred, k.offset);
    if constexpr (op == WindowOp::kClamp) value = M::clamp01(value);
    if constexpr (op == WindowOp::kSigmoid) value = sigmoid<M>(value);
  }
  if constexpr (kMayBeNan) value = M::keep_nan(stored, value);
  if constexpr (kPadding) {
    value = M::select_between(stored, k.padding_low, k.padding_high, k.pad_value, value);
  }
  return value;
}

/// ITU-R BT.601 luma.
template <class M>
SALUS_HD typename M::V luma(typename M::V red, typename M::V green, typename M::V blue) {
  const typename M::V two = M::fma(M::set(0.587F), green, M::mul(M::set(0.299F), red));
  return M::fma(M::set(0.114F), blue, two);
}
