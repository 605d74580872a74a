#pragma once

// What nvcc gives a kernel body without any include, for g++. kernels/device.h includes this file
// where SALUS_SIMT names it (tests/CMakeLists.txt does so for *_simt_test.cpp).

#include <cmath>
#include <cstdint>
#include <cstring>

#include "tests/support/simt/atomics.h"
#include "tests/support/simt/math_builtins.h"
#include "tests/support/simt/tensor.h"
#include "tests/support/simt/vector_types.h"
#include "tests/support/simt/warp.h"

#define __global__ inline
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(bytes) alignas(bytes)

namespace simt {

/// The block's copy of a static shared array; `key` is unique to its declaration.
void* shared_array(const void* key, const char* name, std::size_t element_bytes, std::size_t bytes);

/// The shared memory whose size the launch gave.
void* dynamic_shared(const char* name, std::size_t element_bytes);

/// Fails the launch if `address` is not a multiple of `bytes`.
void check_aligned(const void* address, std::size_t bytes, const char* what);

/// One aligned access of 16 bytes; `pack` is a register of the thread. Functions, not text, because
/// g++ may take a struct apart into four loads.
void load128(const void* from, void* pack);
void store128(void* to, const void* pack);

/// Fails the launch with `message`.
[[noreturn]] void fail(const char* message);

unsigned barrier(const char* name, bool predicate, const char* file, int line);

}  // namespace simt

#define SALUS_SIMT_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(SALUS_SIMT_HERE) { simt::barrier("__syncthreads", false, file, line); }
inline int __syncthreads_count(int predicate, SALUS_SIMT_HERE) {
  return static_cast<int>(simt::barrier("__syncthreads_count", predicate != 0, file, line));
}
inline int __syncthreads_or(int predicate, SALUS_SIMT_HERE) {
  return simt::barrier("__syncthreads_or", predicate != 0, file, line) != 0;
}
inline int __syncthreads_and(int predicate, SALUS_SIMT_HERE) {
  return simt::barrier("__syncthreads_and", predicate == 0, file, line) == 0;
}

// The emulator runs one thread at a time on one core: fences have nothing to do. They do not order
// blocks for the race check either; only atomics on the same element are exempt from it.
inline void __threadfence() {}
inline void __threadfence_block() {}
[[noreturn]] inline void __trap() { simt::fail("The kernel called __trap()."); }

#undef SALUS_SIMT_HERE
