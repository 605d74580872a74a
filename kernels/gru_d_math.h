#pragma once

#include <cstdint>

#include "kernels/device.h"
#include "kernels/padding.h"
#include "kernels/philox.h"

// What the CPU and CUDA halves of gru_d share: sizes, arithmetic, and the layout of `saved`.

namespace salus::kernels {

/// The arithmetic of gate_formula-inl.h on scalars; Highway's twin is in gru_d_rows-inl.h.
struct GateMath : ScalarMath {
  static SALUS_HD float div(float a, float b) { return a / b; }
  /// `v` where it is NaN, else `other`.
  static SALUS_HD float unless_nan(float v, float other) { return v != v ? v : other; }
  static SALUS_HD float if_positive(float v, float yes, float no) { return v > 0 ? yes : no; }
};

#define SALUS_FORMULA SALUS_HD
#include "kernels/gate_formula-inl.h"
#undef SALUS_FORMULA

/// Order of `saved` [N, T, 6, padded16(H)].
enum GruDSaved { kSavedR, kSavedZ, kSavedN, kSavedHn, kSavedDecayed, kSavedDecay, kSavedCount };

struct GruDSizes {
  std::int64_t series = 0, steps = 0, variables = 0, units = 0;

  SALUS_HD std::int64_t padded_units() const { return padded16(units); }
  SALUS_HD std::int64_t padded_variables() const { return padded16(variables); }
  SALUS_HD std::int64_t saved_row() const { return kSavedCount * padded_units(); }
};

}  // namespace salus::kernels
