#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/device.h"

namespace salus::kernels {

/// The arithmetic of random_formula-inl.h on scalars; Highway's twin is in x_cpu.cpp.
struct ScalarMath {
  static SALUS_HD std::uint32_t word(std::uint32_t v) { return v; }
  static SALUS_HD float real(float v) { return v; }
  static SALUS_HD std::uint32_t bits(float v) {
    std::uint32_t u;
    memcpy(&u, &v, sizeof u);
    return u;
  }
  static SALUS_HD float from_bits(std::uint32_t u) {
    float v;
    memcpy(&v, &u, sizeof v);
    return v;
  }
  static SALUS_HD void multiply(std::uint32_t a, std::uint32_t b, std::uint32_t& high,
                                std::uint32_t& low) {
    const std::uint64_t product = std::uint64_t{a} * b;
    high = static_cast<std::uint32_t>(product >> 32);
    low = static_cast<std::uint32_t>(product);
  }
  static SALUS_HD std::uint32_t sum(std::uint32_t a, std::uint32_t b) { return a + b; }
  static SALUS_HD std::uint32_t subtract(std::uint32_t a, std::uint32_t b) { return a - b; }
  static SALUS_HD std::uint32_t bit_and(std::uint32_t a, std::uint32_t b) { return a & b; }
  static SALUS_HD std::uint32_t exclusive_or(std::uint32_t a, std::uint32_t b) { return a ^ b; }
  template <int kBits>
  static SALUS_HD std::uint32_t shift_left(std::uint32_t a) {
    return a << kBits;
  }
  template <int kBits>
  static SALUS_HD std::uint32_t shift_right(std::uint32_t a) {
    return a >> kBits;
  }
  template <int kBits>
  static SALUS_HD std::uint32_t arithmetic_shift(std::uint32_t a) {
    return static_cast<std::uint32_t>(static_cast<std::int32_t>(a) >> kBits);
  }
  static SALUS_HD float from_signed(std::uint32_t a) {
    return static_cast<float>(static_cast<std::int32_t>(a));
  }
  static SALUS_HD float add(float a, float b) { return a + b; }
  static SALUS_HD float sub(float a, float b) { return a - b; }
  static SALUS_HD float mul(float a, float b) { return a * b; }
  static SALUS_HD float fma(float a, float b, float c) { return fmaf(a, b, c); }
  static SALUS_HD float min(float a, float b) { return fminf(a, b); }
  static SALUS_HD float max(float a, float b) { return fmaxf(a, b); }
  static SALUS_HD float sqrt(float a) { return sqrtf(a); }
};

#define SALUS_FORMULA SALUS_HD
#include "kernels/random_formula-inl.h"
#undef SALUS_FORMULA

/// Four random words.
struct PhiloxWords {
  std::uint32_t w[4];
};

/// Philox 4x32-10 of one counter: the same words for the same counter and key, wherever and in
/// whatever order they are asked for.
SALUS_HD PhiloxWords philox4x32(PhiloxWords counter, std::uint64_t key) {
  philox<ScalarMath>(counter.w[0], counter.w[1], counter.w[2], counter.w[3],
                     static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32));
  return counter;
}

}  // namespace salus::kernels
