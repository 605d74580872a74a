// Vectors of float32 from and to rows of float32, bfloat16 and float16.
//
// No include guard: part of x_cpu.cpp, once per Highway target, after D, DU, DI, D16, V and VU.

HWY_INLINE V load_as_float(const float* from) { return hn::LoadU(D(), from); }

HWY_INLINE V load_as_float(const BFloat16* from) {
  const auto stored = hn::LoadU(D16(), reinterpret_cast<const std::uint16_t*>(from));
  return hn::BitCast(D(), hn::ShiftLeft<16>(hn::PromoteTo(DU(), stored)));
}

HWY_INLINE void store_from_float(V v, float* to) { hn::StoreU(v, D(), to); }

HWY_INLINE void store_from_float(V v, BFloat16* to) {
  // To nearest, ties to even, as from_float<BFloat16>().
  const VU bits = hn::BitCast(DU(), v);
  const VU odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(DU(), 1u));
  const VU rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(DU(), 0x7fffu))));
  const VU nan = hn::Set(DU(), 0x7fc0u);
  const VU kept = hn::IfThenElse(hn::RebindMask(DU(), hn::IsNaN(v)), nan, rounded);
  hn::StoreU(hn::DemoteTo(D16(), hn::BitCast(DI(), kept)), D16(),
             reinterpret_cast<std::uint16_t*>(to));
}

// Only where the conversion is an instruction, which rounds to nearest; elsewhere scalars do it.
#if HWY_TARGET <= HWY_AVX2 || HWY_ARCH_ARM
constexpr bool kVectorHalf = true;
#else
constexpr bool kVectorHalf = false;
#endif

HWY_INLINE V load_as_float(const Half* from) {
  const hn::Rebind<hwy::float16_t, D> stored;
  return hn::PromoteTo(D(), hn::LoadU(stored, reinterpret_cast<const hwy::float16_t*>(from)));
}

HWY_INLINE void store_from_float(V v, Half* to) {
  const hn::Rebind<hwy::float16_t, D> stored;
  hn::StoreU(hn::DemoteTo(stored, v), stored, reinterpret_cast<hwy::float16_t*>(to));
}

template <typename T>
constexpr bool kVectorised = !std::is_same_v<T, Half> || kVectorHalf;
