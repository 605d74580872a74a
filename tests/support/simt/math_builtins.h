#pragma once

// CUDA's mathematical and bit functions. The fast intrinsics (__expf ...) are exact here: a test
// that compares with them must allow the error that the CUDA guide states.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numbers>

template <typename T>
T __ldg(const T* address) {
  return *address;
}
template <typename T>
T __ldcs(const T* address) {
  return *address;
}
template <typename T>
T __ldcg(const T* address) {
  return *address;
}
template <typename T>
void __stcs(T* address, T value) {
  *address = value;
}
template <typename T>
void __stcg(T* address, T value) {
  *address = value;
}

inline int __float_as_int(float v) { return std::bit_cast<int>(v); }
inline unsigned __float_as_uint(float v) { return std::bit_cast<unsigned>(v); }
inline float __int_as_float(int v) { return std::bit_cast<float>(v); }
inline float __uint_as_float(unsigned v) { return std::bit_cast<float>(v); }
inline int __float2int_rn(float v) { return static_cast<int>(std::nearbyint(v)); }
inline int __float2int_rd(float v) { return static_cast<int>(std::floor(v)); }
inline int __float2int_ru(float v) { return static_cast<int>(std::ceil(v)); }
inline int __float2int_rz(float v) { return static_cast<int>(v); }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float v) { return std::sqrt(v); }
inline float __frcp_rn(float v) { return 1.0f / v; }
inline float __fdividef(float a, float b) { return a / b; }
// As on the GPU, NaN becomes 0.
inline float __saturatef(float v) { return v > 0 ? (v < 1 ? v : 1.0f) : 0.0f; }
inline float rsqrtf(float v) { return 1.0f / std::sqrt(v); }
inline float sinpif(float v) { return static_cast<float>(std::sin(v * std::numbers::pi)); }
inline float cospif(float v) { return static_cast<float>(std::cos(v * std::numbers::pi)); }

// glibc declares functions of some of these names (and does not define them): hence macros.
#define __expf(v) std::exp(static_cast<float>(v))
#define __logf(v) std::log(static_cast<float>(v))
#define __log2f(v) std::log2(static_cast<float>(v))
#define __powf(a, b) std::pow(static_cast<float>(a), static_cast<float>(b))
#define __sinf(v) std::sin(static_cast<float>(v))
#define __cosf(v) std::cos(static_cast<float>(v))

inline int __popc(unsigned v) { return std::popcount(v); }
inline int __popcll(unsigned long long v) { return std::popcount(v); }
inline int __clz(int v) { return std::countl_zero(static_cast<unsigned>(v)); }
inline int __ffs(int v) { return v == 0 ? 0 : std::countr_zero(static_cast<unsigned>(v)) + 1; }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(std::uint64_t{a} * b >> 32);
}
inline unsigned __brev(unsigned v) {
  unsigned reversed = 0;
  for (int i = 0; i < 32; ++i) reversed |= (v >> i & 1u) << (31 - i);
  return reversed;
}

#define SALUS_SIMT_MIN_MAX(type)                            \
  inline type min(type a, type b) { return b < a ? b : a; } \
  inline type max(type a, type b) { return a < b ? b : a; }
SALUS_SIMT_MIN_MAX(int)
SALUS_SIMT_MIN_MAX(unsigned)
SALUS_SIMT_MIN_MAX(long)
SALUS_SIMT_MIN_MAX(long long)
#undef SALUS_SIMT_MIN_MAX
// Of a NaN and a number, the number, as fminf and fmaxf.
inline float min(float a, float b) { return std::fmin(a, b); }
inline float max(float a, float b) { return std::fmax(a, b); }
