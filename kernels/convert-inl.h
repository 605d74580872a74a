// Vectors of float32 from and to rows of float32, bfloat16 and float16, for any Highway tag of floats.
//
// No include guard: part of x_cpu.cpp, once per Highway target, after `hn` names its namespace.

template <class D>
HWY_INLINE hn::Vec<D> load_as_float(D d, const float* from) {
  return hn::LoadU(d, from);
}

template <class D>
HWY_INLINE hn::Vec<D> load_as_float(D d, const BFloat16* from) {
  const hn::RebindToUnsigned<D> du;
  const hn::Rebind<std::uint16_t, D> stored;
  const auto bits = hn::LoadU(stored, reinterpret_cast<const std::uint16_t*>(from));
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(du, bits)));
}

template <class D>
HWY_INLINE void store_from_float(D d, hn::Vec<D> v, float* to) {
  hn::StoreU(v, d, to);
}

/// To nearest, ties to even, as from_float<BFloat16>().
template <class D>
HWY_INLINE void store_from_float(D, hn::Vec<D> v, BFloat16* to) {
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;
  const hn::Rebind<std::uint16_t, D> stored;
  const auto bits = hn::BitCast(du, v);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1u));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7fffu))));
  const auto nan = hn::Set(du, 0x7fc0u);
  const auto kept = hn::IfThenElse(hn::RebindMask(du, hn::IsNaN(v)), nan, rounded);
  hn::StoreU(hn::DemoteTo(stored, hn::BitCast(di, kept)), stored,
             reinterpret_cast<std::uint16_t*>(to));
}

// Only where the conversion is an instruction, which rounds to nearest; elsewhere scalars do it.
#if HWY_TARGET <= HWY_AVX2 || HWY_ARCH_ARM
constexpr bool kVectorHalf = true;
#else
constexpr bool kVectorHalf = false;
#endif

template <class D>
HWY_INLINE hn::Vec<D> load_as_float(D d, const Half* from) {
  const hn::Rebind<hwy::float16_t, D> stored;
  return hn::PromoteTo(d, hn::LoadU(stored, reinterpret_cast<const hwy::float16_t*>(from)));
}

template <class D>
HWY_INLINE void store_from_float(D, hn::Vec<D> v, Half* to) {
  const hn::Rebind<hwy::float16_t, D> stored;
  hn::StoreU(hn::DemoteTo(stored, v), stored, reinterpret_cast<hwy::float16_t*>(to));
}

template <typename T>
constexpr bool kVectorised = !std::is_same_v<T, Half> || kVectorHalf;
