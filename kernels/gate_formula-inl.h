// The gates of a recurrent cell and their derivatives, written once for scalars and for vectors.
//
// Included without a guard after random_formula-inl.h: by gru_d_math.h (host and CUDA), and by
// gru_d_cpu.cpp inside HWY_NAMESPACE. M is the arithmetic (GateMath), F its float. NaN stays NaN.

/// tanh within 3e-7 of its value, never beyond 1: a quotient of polynomials (degrees 13 and 6, as
/// in Eigen), which needs neither an exponential nor a branch.
template <class M, class F>
SALUS_FORMULA F gate_tanh(F v) {
  constexpr float kEnd = 7.90531110763549805f;  // from here on float32 has no value below 1
  const F x = M::max(M::min(v, M::real(kEnd)), M::real(-kEnd));
  const F s = M::mul(x, x);
  F p = M::real(-2.76076847742355e-16f);
  p = M::fma(p, s, M::real(2.00018790482477e-13f));
  p = M::fma(p, s, M::real(-8.60467152213735e-11f));
  p = M::fma(p, s, M::real(5.12229709037114e-08f));
  p = M::fma(p, s, M::real(1.48572235717979e-05f));
  p = M::fma(p, s, M::real(6.37261928875436e-04f));
  p = M::fma(p, s, M::real(4.89352455891786e-03f));
  F q = M::real(1.19825839466702e-06f);
  q = M::fma(q, s, M::real(1.18534705686654e-04f));
  q = M::fma(q, s, M::real(2.26843463243900e-03f));
  q = M::fma(q, s, M::real(4.89352518554385e-03f));
  return M::unless_nan(v, M::div(M::mul(x, p), q));
}

/// 1 / (1 + exp(-v)) within 2e-7 (absolute).
template <class M, class F>
SALUS_FORMULA F gate_sigmoid(F v) {
  const F half = M::real(0.5f);
  return M::fma(half, gate_tanh<M>(M::mul(half, v)), half);
}

/// exp(-max(0, v)) where v > 0, and -1 where v <= 0: there the decay is 1 and its derivative is 0,
/// which the backward pass must tell from a tiny v whose exponential rounds to 1.
template <class M, class F>
SALUS_FORMULA F marked_decay(F v) {
  const F power = power_of_two<M>(M::mul(v, M::real(-1.44269504089f)));
  return M::unless_nan(v, M::if_positive(v, power, M::real(-1.0f)));
}

/// One unit of the cell, from the sums of its three gates over the input (x) and the state (h).
template <class M, class F>
SALUS_FORMULA void gru_gates(F xr, F xz, F xn, F hr, F hz, F hn, F decayed, F& r, F& z, F& n,
                             F& state) {
  r = gate_sigmoid<M>(M::add(xr, hr));
  z = gate_sigmoid<M>(M::add(xz, hz));
  n = gate_tanh<M>(M::fma(r, hn, xn));
  state = M::fma(z, M::sub(decayed, n), n);
}

/// Gradients of the gates' sums from the gradient of the unit's state: `n` of W x, `hn` of U h.
template <class M, class F>
SALUS_FORMULA void gru_gates_backward(F grad, F r, F z, F n, F hn, F decayed, F& of_r, F& of_z,
                                      F& of_n, F& of_hn) {
  const F one = M::real(1.0f);
  const F open = M::sub(one, z);
  of_n = M::mul(M::mul(grad, open), M::mul(M::sub(one, n), M::add(one, n)));
  of_z = M::mul(M::mul(grad, M::sub(decayed, n)), M::mul(z, open));
  of_hn = M::mul(of_n, r);
  of_r = M::mul(M::mul(of_hn, hn), M::sub(one, r));
}
