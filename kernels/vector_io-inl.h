// Loads and stores of float32 and bfloat16 as vectors of float32, for any Highway tag of floats.
//
// No include guard: included inside HWY_NAMESPACE of a *_cpu.cpp, once per Highway target, with
// `hn` naming that namespace.

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
