#pragma once

// Tensor cores and asynchronous copies of sm_80 and later, for kernel bodies (see device.h).
//
// Here and in device.h alone stands PTX; the emulator's twins are in tests/support/simt/tensor.h.
// Names and fragment layouts are those of the PTX ISA, sections "Warp Level Matrix Instructions"
// (mma, ldmatrix) and "Data Movement: cp.async". With g = lane / 4 and t = lane % 4, one mma takes
//   A [16 rows x 32 bytes]  a[0]: row g,     bytes 4t .. 4t+3      a[2]: row g,     bytes 16+4t ..
//                           a[1]: row g + 8, bytes 4t .. 4t+3      a[3]: row g + 8, bytes 16+4t ..
//   B [8 columns x 32 bytes along k]  b[0]: column g, bytes 4t ..  b[1]: column g, bytes 16+4t ..
//   C [16 x 8]              c[0], c[1]: row g, columns 2t, 2t+1    c[2], c[3]: row g + 8
// whatever the type: 32 bytes are 16 Half or BFloat16, 32 int8 or 8 float32. So one loop over rows
// of bytes serves them all, and ldmatrix (not transposed) fills A and B alike.

#include <type_traits>

#include "kernels/device.h"

namespace salus::kernels {

/// What mma adds up in: int for int8, else float.
template <typename T>
struct MmaSum {
  using type = float;
};
template <>
struct MmaSum<std::int8_t> {
  using type = int;
};

#if defined(__CUDACC__) || defined(SALUS_SIMT)

#if defined(SALUS_SIMT) && !defined(__CUDACC__)
// So that the emulator can name the line of a body that calls a wrapper.
#define SALUS_CALLER , const char *file = __builtin_FILE(), int line = __builtin_LINE()
#else
#define SALUS_CALLER
#endif

#if defined(__CUDACC__)
#define SALUS_MMA(shape, types, constraint)                                        \
  asm volatile("mma.sync.aligned." shape ".row.col." types                         \
               " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"            \
               : "+" constraint(c[0]), "+" constraint(c[1]), "+" constraint(c[2]), \
                 "+" constraint(c[3])                                              \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
#endif

/// c += a b over 32 bytes of k, by the whole warp: mma.sync m16n8k16 for Half and BFloat16,
/// m16n8k32 for int8 (sums in int, which wrap), m16n8k8 in TF32 for float (a and b by
/// round_to_tf32()).
///
/// Floating sums are not IEEE's: products are exact, but terms are aligned to the largest one and
/// cut off below 24 bits, in an order that is not told (Fasi, Higham, Mikaitis, Pranesh 2021:
/// "Numerical behavior of NVIDIA tensor cores"). n products, over however many calls, are off by at
/// most n 2^-22 times the sum of their magnitudes.
template <typename T>
__device__ __forceinline__ void mma(typename MmaSum<T>::type (&c)[4], const std::uint32_t (&a)[4],
                                    const std::uint32_t (&b)[2] SALUS_CALLER) {
#if defined(__CUDACC__)
  if constexpr (sizeof(T) == 1) {
    SALUS_MMA("m16n8k32", "s32.s8.s8.s32", "r");
  } else if constexpr (sizeof(T) == 4) {
    SALUS_MMA("m16n8k8", "f32.tf32.tf32.f32", "f");
  } else if constexpr (std::is_same_v<T, Half>) {
    SALUS_MMA("m16n8k16", "f32.f16.f16.f32", "f");
  } else {
    static_assert(std::is_same_v<T, BFloat16>);
    SALUS_MMA("m16n8k16", "f32.bf16.bf16.f32", "f");
  }
#else
  using Kind = ::simt::MmaKind;
  constexpr Kind kKind = sizeof(T) == 1            ? Kind::kInt8
                         : sizeof(T) == 4          ? Kind::kTf32
                         : std::is_same_v<T, Half> ? Kind::kHalf
                                                   : Kind::kBFloat16;
  ::simt::mma(kKind, c, a, b, file, line);
#endif
}

#if defined(__CUDACC__)
#undef SALUS_MMA
#endif

/// The bits of a float32 rounded to TF32's 10 bits of fraction, ties away from zero.
__device__ __forceinline__ std::uint32_t round_to_tf32(std::uint32_t bits) {
#if defined(__CUDACC__)
  std::uint32_t rounded;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(__uint_as_float(bits)));
  return rounded;
#else
  return (bits & 0x7f800000u) == 0x7f800000u ? bits : (bits + 0x1000u) & 0xffffe000u;
#endif
}

/// Loads kMatrices (1, 2 or 4) matrices of 8 rows x 16 bytes from shared memory: the row r of
/// matrix m begins where lane 8 m + r points (a multiple of 16 bytes; other lanes' pointers are not
/// used). Lane 4 g + t gets in to[m] the bytes 4t .. 4t+3 of row g; transposed, the two-byte
/// elements (2t, g) and (2t+1, g). The warp's earlier writes must be ordered by a barrier.
template <int kMatrices, bool kTransposed = false>
__device__ __forceinline__ void ldmatrix(std::uint32_t (&to)[kMatrices],
                                         const void* row SALUS_CALLER) {
  static_assert(kMatrices == 1 || kMatrices == 2 || kMatrices == 4);
#if defined(__CUDACC__)
  const auto from = static_cast<unsigned>(__cvta_generic_to_shared(row));
#define SALUS_LDMATRIX(count, registers, ...)                                       \
  if constexpr (kTransposed) {                                                      \
    asm volatile("ldmatrix.sync.aligned.m8n8." count ".trans.shared.b16 " registers \
                 : __VA_ARGS__                                                      \
                 : "r"(from));                                                      \
  } else {                                                                          \
    asm volatile("ldmatrix.sync.aligned.m8n8." count ".shared.b16 " registers       \
                 : __VA_ARGS__                                                      \
                 : "r"(from));                                                      \
  }
  if constexpr (kMatrices == 1) {
    SALUS_LDMATRIX("x1", "{%0}, [%1];", "=r"(to[0]))
  } else if constexpr (kMatrices == 2) {
    SALUS_LDMATRIX("x2", "{%0,%1}, [%2];", "=r"(to[0]), "=r"(to[1]))
  } else {
    SALUS_LDMATRIX("x4", "{%0,%1,%2,%3}, [%4];", "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]))
  }
#undef SALUS_LDMATRIX
#else
  ::simt::ldmatrix(to, kMatrices, kTransposed, row, file, line);
#endif
}

/// Starts to copy 16 bytes from global to shared memory, past the registers and the first cache;
/// or, if not `valid`, to write 16 zero bytes (`from` is then not read but must be aligned). Both
/// addresses are multiples of 16 bytes. The destination may not be touched before the calling
/// thread has waited for the copy's group, nor by another thread before a barrier after that.
__device__ __forceinline__ void copy_async16(void* to_shared, const void* from_global,
                                             bool valid = true SALUS_CALLER) {
#if defined(__CUDACC__)
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(
                   static_cast<unsigned>(__cvta_generic_to_shared(to_shared))),
               "l"(__cvta_generic_to_global(from_global)), "r"(valid ? 16 : 0)
               : "memory");
#else
  ::simt::copy_async16(to_shared, from_global, valid, file, line);
#endif
}

/// Makes a group of the calling thread's copies since its last commit; an empty group is allowed.
__device__ __forceinline__ void copy_async_commit() {
#if defined(__CUDACC__)
  asm volatile("cp.async.commit_group;" ::: "memory");
#else
  ::simt::copy_async_commit();
#endif
}

/// Waits until at most kPending of the calling thread's latest groups are under way.
template <int kPending>
__device__ __forceinline__ void copy_async_wait() {
#if defined(__CUDACC__)
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
#else
  ::simt::copy_async_wait(kPending);
#endif
}

#undef SALUS_CALLER

#endif

}  // namespace salus::kernels
