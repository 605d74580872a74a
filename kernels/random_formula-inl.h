// Philox words, normal deviates and powers, written once for scalars and for vectors.
//
// Included without a guard: by philox.h (host and CUDA), and by x_cpu.cpp inside HWY_NAMESPACE,
// where each function is compiled once per instruction set. M is the arithmetic: see ScalarMath in
// philox.h. U is M's 32-bit word, F its float. SALUS_FORMULA is the attribute of every function.

/// Philox 4x32-10 (Salmon et al., SC 2011): encrypts the counter words in place.
template <class M, class U>
SALUS_FORMULA void philox(U& c0, U& c1, U& c2, U& c3, std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    U high0 = c0, low0 = c0, high1 = c2, low1 = c2;
    M::multiply(c0, 0xD2511F53u, high0, low0);
    M::multiply(c2, 0xCD9E8D57u, high1, low1);
    c0 = M::exclusive_or(M::exclusive_or(high1, c1), M::word(key0));
    c2 = M::exclusive_or(M::exclusive_or(high0, c3), M::word(key1));
    c1 = low1;
    c3 = low0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

/// ln((1 + f) 2^e) for f in [sqrt(1/2) - 1, sqrt(2) - 1] and a whole e, by the polynomial of
/// Cephes' logf.
template <class M, class F>
SALUS_FORMULA F log_polynomial(F f, F e) {
  const F square = M::mul(f, f);
  F p = M::real(7.0376836292e-2f);
  p = M::fma(p, f, M::real(-1.1514610310e-1f));
  p = M::fma(p, f, M::real(1.1676998740e-1f));
  p = M::fma(p, f, M::real(-1.2420140846e-1f));
  p = M::fma(p, f, M::real(1.4249322787e-1f));
  p = M::fma(p, f, M::real(-1.6668057665e-1f));
  p = M::fma(p, f, M::real(2.0000714765e-1f));
  p = M::fma(p, f, M::real(-2.4999993993e-1f));
  p = M::fma(p, f, M::real(3.3333331174e-1f));
  p = M::mul(M::mul(p, f), square);
  p = M::fma(e, M::real(-2.12194440e-4f), p);  // ln 2 in two parts, so that e ln 2 is exact
  p = M::fma(square, M::real(-0.5f), p);
  return M::fma(e, M::real(0.693359375f), M::add(f, p));
}

/// x = (1 + f) 2^e as log_polynomial() wants it, for a positive normal x.
template <class M, class F>
SALUS_FORMULA void split_for_log(F x, F& f, F& e) {
  const auto bits = M::bits(x);
  const auto exponent = M::template arithmetic_shift<23>(M::subtract(bits, M::word(0x3f3504f3u)));
  e = M::from_signed(exponent);
  f = M::add(M::from_bits(M::subtract(bits, M::template shift_left<23>(exponent))), M::real(-1.0f));
}

/// Natural logarithm of a positive normal number, within 1 ULP or 1e-7 near 1. Zero gives -88.03.
template <class M, class F>
SALUS_FORMULA F natural_log(F x) {
  F f = x, e = x;
  split_for_log<M>(x, f, e);
  return log_polynomial<M>(f, e);
}

/// ln((word + 1/2) / 2^32), within 3e-7 of itself also where the quotient is close to 1.
template <class M, class U>
SALUS_FORMULA auto log_of_word(U word) {
  const auto high = M::from_signed(M::template shift_right<16>(word));
  const auto low = M::from_signed(M::bit_and(word, M::word(0xffffu)));
  const auto whole = M::add(M::mul(high, M::real(65536.0f)), low);  // rounded once
  const auto scale = M::real(0x1p-32f), half = M::real(0x1p-33f);
  auto f = scale, e = scale;
  split_for_log<M>(M::fma(whole, scale, half), f, e);
  // From 3/4 on, 1 + f would lose the digits of f: take it from the complement, where they are.
  const U complement = M::exclusive_or(word, M::word(0xffffffffu));
  const auto exact = M::sub(M::real(0.0f), M::fma(M::from_signed(complement), scale, half));
  const U both = M::bit_and(word, M::template shift_left<1>(word));
  const U choose = M::template arithmetic_shift<31>(both);
  const U differ = M::bit_and(M::exclusive_or(M::bits(f), M::bits(exact)), choose);
  return log_polynomial<M>(M::from_bits(M::exclusive_or(M::bits(f), differ)), e);
}

/// 2^x, within 2 ULP; x is clamped to [-126, 126].
template <class M, class F>
SALUS_FORMULA F power_of_two(F x) {
  constexpr float kMagic = 12582912.0f;  // 1.5 2^23: adding it rounds to the nearest integer
  x = M::max(M::min(x, M::real(126.0f)), M::real(-126.0f));
  const F shifted = M::add(x, M::real(kMagic));
  const F f = M::sub(x, M::sub(shifted, M::real(kMagic)));
  F p = M::real(1.535336188319500e-4f);
  p = M::fma(p, f, M::real(1.339887440266574e-3f));
  p = M::fma(p, f, M::real(9.618437357674640e-3f));
  p = M::fma(p, f, M::real(5.550332471162809e-2f));
  p = M::fma(p, f, M::real(2.402264791363012e-1f));
  p = M::fma(p, f, M::real(6.931472028550421e-1f));
  p = M::fma(p, f, M::real(1.0f));
  const auto whole = M::subtract(M::bits(shifted), M::word(0x4b400000u));  // as a signed integer
  return M::from_bits(M::sum(M::bits(p), M::template shift_left<23>(whole)));
}

/// x^gamma for x in [0, 1] and gamma > 0, within 1e-6 (absolute).
template <class M, class F>
SALUS_FORMULA F unit_power(F x, float gamma) {
  return power_of_two<M>(M::mul(natural_log<M>(x), M::real(gamma * 1.44269504089f)));
}

/// Two independent standard normal deviates by Box and Muller, from two random words.
///
/// The radius takes u = (word + 1/2) / 2^32, so that deviates reach +-6.77; the angle takes all 32
/// bits and is reduced to an octant in integers. Within 3e-7 of the radius of the exact formula.
template <class M, class U, class F>
SALUS_FORMULA void normal_pair(U radius_word, U angle_word, F& first, F& second) {
  const F radius = M::sqrt(M::mul(M::real(-2.0f), log_of_word<M>(radius_word)));

  const U quadrant = M::template shift_right<30>(M::sum(angle_word, M::word(1u << 29)));
  const U rest = M::subtract(angle_word, M::template shift_left<30>(quadrant));
  const F t = M::mul(M::from_signed(rest), M::real(1.4629180792671596e-9f));  // 2 pi / 2^32
  const F square = M::mul(t, t);
  F s = M::real(-1.9515295891e-4f);
  s = M::fma(s, square, M::real(8.3321608736e-3f));
  s = M::fma(s, square, M::real(-1.6666654611e-1f));
  s = M::fma(M::mul(s, square), t, t);
  F c = M::real(2.443315711809948e-5f);
  c = M::fma(c, square, M::real(-1.388731625493765e-3f));
  c = M::fma(c, square, M::real(4.166664568298827e-2f));
  c = M::fma(M::mul(c, square), square, M::fma(square, M::real(-0.5f), M::real(1.0f)));

  // Odd quadrants swap sine and cosine; the signs follow from the quadrant.
  const U odd = M::subtract(M::word(0), M::bit_and(quadrant, M::word(1)));
  const U differ = M::bit_and(M::exclusive_or(M::bits(s), M::bits(c)), odd);
  const U two = M::word(2);
  const U sine_sign = M::template shift_left<30>(M::bit_and(quadrant, two));
  const U cosine_sign = M::template shift_left<30>(M::bit_and(M::sum(quadrant, M::word(1)), two));
  const U sine = M::exclusive_or(M::exclusive_or(M::bits(s), differ), sine_sign);
  const U cosine = M::exclusive_or(M::exclusive_or(M::bits(c), differ), cosine_sign);
  first = M::mul(radius, M::from_bits(cosine));
  second = M::mul(radius, M::from_bits(sine));
}
