// Decay, imputation and gates of rows on vectors: gru_d_cpu.cpp's, once per Highway target. No
// include guard.

// Panels after the vectors they are made of.
// clang-format off
#include "kernels/gate_math-inl.h"
#include "kernels/panels-inl.h"
// clang-format on

/// The first `count` floats at `from` and zeros; reads no further.
HWY_INLINE V load_first(const float* from, std::int64_t count) {
  const D d;
  if (count >= kLanes) return hn::LoadU(d, from);
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  return hn::MaskedLoad(hn::FirstN(d, static_cast<std::size_t>(count)), d, from);
#else
  // Elsewhere Highway's masked load may read the whole vector.
  HWY_ALIGN float buffer[16] = {};
  std::copy_n(from, count, buffer);
  return hn::Load(d, buffer);
#endif
}

HWY_INLINE void impute_row(const GruDForwardWeights& w, const float* values, const float* mask,
                           const float* delta, const InputRow& row) {
  const std::int64_t variables = w.sizes.variables;
  const V zero = hn::Zero(D());
  for (std::int64_t j = 0; j < variables; j += kLanes) {
    const std::int64_t here = variables - j;
    const V since = load_first(delta + j, here);
    const V decay = marked_decay<VectorGateMath>(hn::MulAdd(
        load(w.input_decay_weight.data() + j), since, load(w.input_decay_bias.data() + j)));
    const V mean = load(w.mean.data() + j);
    const V before = load(row.x_last + j);
    const V imputed = hn::MulAdd(hn::Abs(decay), hn::Sub(before, mean), mean);
    const V value = load_first(values + j, here);
    const auto observed = hn::Ne(load_first(mask + j, here), zero);
    store(hn::IfThenElse(observed, value, before), row.x_last + j);
    store(hn::IfThenElse(observed, value, imputed), row.inputs + j);
    store(since, row.delta + j);
    store(decay, row.decay + j);
  }
  // After the values, whose last vector reaches into the mask's place.
  for (std::int64_t j = 0; j < variables; j += kLanes) {
    const auto observed = hn::Ne(load_first(mask + j, variables - j), zero);
    store(hn::IfThenElse(observed, hn::Set(D(), 1.0f), zero), row.inputs + variables + j);
  }
}

/// Marks of decay from their sums, in place.
HWY_INLINE void decay_rows(float* sums, std::int64_t count) {
  for (std::int64_t j = 0; j < count; j += kLanes) {
    store(marked_decay<VectorGateMath>(load(sums + j)), sums + j);
  }
}

HWY_INLINE void decay_state(const float* state, const float* decay, std::int64_t units,
                            float* decayed) {
  for (std::int64_t j = 0; j < units; j += kLanes) {
    store(hn::Mul(hn::Abs(load(decay + j)), load(state + j)), decayed + j);
  }
}

/// The gates of one row: `x` and `h` are the three gates' sums; `saved` is null or of that step.
HWY_INLINE void gate_row(const float* x, const float* h, const float* decayed, const float* decay,
                         std::int64_t units, float* state, float* saved) {
  for (std::int64_t j = 0; j < units; j += kLanes) {
    const V hn_sum = load(h + 2 * units + j), before = load(decayed + j);
    V r = before, z = before, n = before, after = before;
    gru_gates<VectorGateMath>(load(x + j), load(x + units + j), load(x + 2 * units + j),
                              load(h + j), load(h + units + j), hn_sum, before, r, z, n, after);
    store(after, state + j);
    if (saved == nullptr) continue;
    store(r, saved + kSavedR * units + j);
    store(z, saved + kSavedZ * units + j);
    store(n, saved + kSavedN * units + j);
    store(hn_sum, saved + kSavedHn * units + j);
    store(before, saved + kSavedDecayed * units + j);
    store(load(decay + j), saved + kSavedDecay * units + j);
  }
}
