// Gates of recurrent cells on Highway's vectors: part of an x_cpu.cpp, once per Highway target. No
// include guard.

#include "kernels/vector_math-inl.h"

/// The arithmetic of gate_formula-inl.h; its scalar twin is in gru_d_math.h.
struct VectorGateMath : VectorMath {
  static HWY_INLINE V div(V a, V b) { return hn::Div(a, b); }
  static HWY_INLINE V unless_nan(V v, V other) { return hn::IfThenElse(hn::IsNaN(v), v, other); }
  static HWY_INLINE V if_positive(V v, V yes, V no) {
    return hn::IfThenElse(hn::Gt(v, hn::Zero(D())), yes, no);
  }
};

#define SALUS_FORMULA HWY_INLINE
// random_formula first: gate_formula finds its exponential there.
// clang-format off
#include "kernels/random_formula-inl.h"
#include "kernels/gate_formula-inl.h"
// clang-format on
#undef SALUS_FORMULA

HWY_INLINE V load(const float* from) { return hn::LoadU(D(), from); }
HWY_INLINE void store(V v, float* to) { hn::StoreU(v, D(), to); }
