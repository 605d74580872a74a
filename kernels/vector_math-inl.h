// The arithmetic of the *_formula-inl.h files on Highway's vectors of float32.
//
// No include guard: part of an x_cpu.cpp, once per Highway target. Vectors have at most 16 lanes,
// so that rows padded to 16 floats are whole vectors on every instruction set.

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using DU = hn::RebindToUnsigned<D>;
using DI = hn::RebindToSigned<D>;
using V = hn::Vec<D>;
using VU = hn::Vec<DU>;
constexpr std::int64_t kLanes = hn::MaxLanes(D());

/// The arithmetic of random_formula-inl.h on vectors; its scalar twin is ScalarMath in philox.h.
struct VectorMath {
  static HWY_INLINE VU word(std::uint32_t v) { return hn::Set(DU(), v); }
  static HWY_INLINE V real(float v) { return hn::Set(D(), v); }
  static HWY_INLINE VU bits(V v) { return hn::BitCast(DU(), v); }
  static HWY_INLINE V from_bits(VU v) { return hn::BitCast(D(), v); }
#if HWY_TARGET == HWY_SCALAR
  static HWY_INLINE void multiply(VU a, std::uint32_t b, VU& high, VU& low) {
    const std::uint64_t product = std::uint64_t{hn::GetLane(a)} * b;
    high = word(static_cast<std::uint32_t>(product >> 32));
    low = word(static_cast<std::uint32_t>(product));
  }
#else
  static HWY_INLINE void multiply(VU a, std::uint32_t b, VU& high, VU& low) {
    const hn::RepartitionToWide<DU> wide;
    const VU factor = hn::Set(DU(), b);
    const auto even = hn::MulEven(a, factor);
    const auto odd =
        hn::MulEven(hn::BitCast(DU(), hn::ShiftRight<32>(hn::BitCast(wide, a))), factor);
    low = hn::OddEven(hn::BitCast(DU(), hn::ShiftLeft<32>(odd)), hn::BitCast(DU(), even));
    high = hn::OddEven(hn::BitCast(DU(), odd), hn::BitCast(DU(), hn::ShiftRight<32>(even)));
  }
#endif
  static HWY_INLINE VU sum(VU a, VU b) { return hn::Add(a, b); }
  static HWY_INLINE VU subtract(VU a, VU b) { return hn::Sub(a, b); }
  static HWY_INLINE VU bit_and(VU a, VU b) { return hn::And(a, b); }
  static HWY_INLINE VU exclusive_or(VU a, VU b) { return hn::Xor(a, b); }
  template <int kBits>
  static HWY_INLINE VU shift_left(VU a) {
    return hn::ShiftLeft<kBits>(a);
  }
  template <int kBits>
  static HWY_INLINE VU shift_right(VU a) {
    return hn::ShiftRight<kBits>(a);
  }
  template <int kBits>
  static HWY_INLINE VU arithmetic_shift(VU a) {
    return hn::BitCast(DU(), hn::ShiftRight<kBits>(hn::BitCast(DI(), a)));
  }
  static HWY_INLINE V from_signed(VU a) { return hn::ConvertTo(D(), hn::BitCast(DI(), a)); }
  static HWY_INLINE V add(V a, V b) { return hn::Add(a, b); }
  static HWY_INLINE V sub(V a, V b) { return hn::Sub(a, b); }
  static HWY_INLINE V mul(V a, V b) { return hn::Mul(a, b); }
  static HWY_INLINE V fma(V a, V b, V c) { return hn::MulAdd(a, b, c); }
  static HWY_INLINE V min(V a, V b) { return hn::Min(a, b); }
  static HWY_INLINE V max(V a, V b) { return hn::Max(a, b); }
  static HWY_INLINE V sqrt(V a) { return hn::Sqrt(a); }
};
