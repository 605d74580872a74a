#pragma once

// How a kernel body (kernels/x.cuh) is written so that nvcc and g++ build the very same text.
//
// Three compilers read this header; it is the only place that tells them apart:
//   nvcc   the GPU code of x_cuda.cu and of the machine-code gate;
//   g++    with SALUS_SIMT: the emulator (*_simt_test.cpp), where every CUDA thread is a fiber; the
//          macro names the header that gives threadIdx, __syncthreads(), __shfl_xor_sync(), float4;
//   g++    host code (x_cpu.cpp, x_math.h): only SALUS_HD, Half, BFloat16 and Pack.
//
// A body is plain CUDA C++ without torch, with these exceptions:
//   SALUS_HD                             instead of __host__ __device__, always inlined;
//   SALUS_SHARED(float, tile, [32][33]); instead of   __shared__ float tile[32][33];
//   SALUS_DYNAMIC_SHARED(float, tile);   instead of   extern __shared__ float tile[];
//   SALUS_UNROLL for (...)               instead of   #pragma unroll;
//   Half and BFloat16                    instead of __half and __nv_bfloat16 (same bits as ATen's).
// PTX stands in this header and in device_tensor.h (tensor cores, asynchronous copies) alone, each
// wrapper with its twin in tests/support/simt/.
//
// Worked example, built in both ways and tested in tests/support/simt/example_simt_test.cpp. The
// launch shape stands beside the body, so that GPU and emulator run the same grid:
//
//   // kernels/row_sum.cuh: one block per row.
//   inline LaunchShape row_sum_shape(unsigned rows) { return {.grid = {rows}, .block = {128}}; }
//
//   template <typename T>
//   __global__ void __launch_bounds__(128)
//   row_sum_kernel(const T* __restrict__ rows, float* __restrict__ sums, int columns) {
//     SALUS_SHARED(float, partial, [4]);                      // 128 threads are 4 warps
//     const T* row = rows + std::int64_t{blockIdx.x} * columns;
//     float sum = 0;
//     for (int x = threadIdx.x; x < columns; x += blockDim.x) sum += to_float(row[x]);
//     sum = warp_sum(sum);
//     if (threadIdx.x % kWarp == 0) partial[threadIdx.x / kWarp] = sum;
//     __syncthreads();
//     if (threadIdx.x == 0) sums[blockIdx.x] = partial[0] + partial[1] + partial[2] + partial[3];
//   }
//
//   // kernels/row_sum_cuda.cu (launch_cuda.h; dispatch.h tells how x.cpp finds it)
//   launch(device, row_sum_shape(n), row_sum_kernel<Half>, rows, sums, columns);
//
//   // tests/kernels/row_sum_simt_test.cpp (built with access counting; see simt.h)
//   #include "kernels/row_sum.cuh"
//   #include "tests/support/simt/simt.h"
//   simt::Buffer<Half> rows("rows", values);
//   simt::Buffer<float> sums("sums", n);
//   auto report = simt::launch(row_sum_shape(n), {.seed = 1}, row_sum_kernel<Half>, rows.data(),
//                              sums.data(), columns);

#include <cmath>
#include <cstddef>
#include <cstdint>

#if defined(__CUDACC__)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#define SALUS_HD __host__ __device__ __forceinline__
#define SALUS_UNROLL _Pragma("unroll")
#define SALUS_SHARED(type, name, ...) __shared__ __align__(16) type name __VA_ARGS__
#define SALUS_DYNAMIC_SHARED(type, name)                                \
  extern __shared__ __align__(16) unsigned char salus_dynamic_shared[]; \
  type* const name = reinterpret_cast<type*>(salus_dynamic_shared)
#else
#include <bit>
#include <cstring>
#define SALUS_HD inline __attribute__((always_inline))
#define SALUS_UNROLL
#if defined(SALUS_SIMT)
#include SALUS_SIMT
#define SALUS_SHARED(type, name, ...)                                           \
  using salus_shared_##name = type __VA_ARGS__;                                 \
  static char salus_key_##name; /* its address is unique to this declaration */ \
  auto& name = *static_cast<salus_shared_##name*>(                              \
      ::simt::shared_array(&salus_key_##name, #name, sizeof(type), sizeof(salus_shared_##name)))
#define SALUS_DYNAMIC_SHARED(type, name) \
  type* const name = static_cast<type*>(::simt::dynamic_shared(#name, sizeof(type)))
#endif
#endif

namespace salus::kernels {

inline constexpr unsigned kWarp = 32;
inline constexpr unsigned kAllLanes = 0xffffffffu;

/// Grid, block and dynamic shared memory of one launch, as GPU and emulator both take it.
struct Extent {
  unsigned x = 1, y = 1, z = 1;
};
struct LaunchShape {
  Extent grid;
  Extent block;
  std::size_t shared_bytes = 0;
};

/// Bytes of shared memory, static and dynamic together, that CUDA gives a block unasked.
inline constexpr std::size_t kUnaskedSharedBytes = 49152;

/// Whether a launch asks CUDA for more than that before it, on the GPU (launch_cuda.h) as in the
/// emulator. With any dynamic shared memory: what is static beside it, only the compiler knows.
inline bool asks_for_shared_memory(const LaunchShape& shape) { return shape.shared_bytes > 0; }

/// IEEE 754 binary16 as stored; at::Half has the same bits.
struct Half {
  std::uint16_t bits;
};

/// The upper half of a binary32 as stored; at::BFloat16 has the same bits.
struct BFloat16 {
  std::uint16_t bits;
};

SALUS_HD float to_float(float value) { return value; }

SALUS_HD float to_float(Half value) {
#if defined(__CUDACC__)
  return __half2float(__half(__half_raw{value.bits}));
#else
  return static_cast<float>(std::bit_cast<_Float16>(value.bits));
#endif
}

SALUS_HD float to_float(BFloat16 value) {
#if defined(__CUDACC__)
  return __bfloat162float(__nv_bfloat16(__nv_bfloat16_raw{value.bits}));
#else
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
#endif
}

/// `from_float<T>(v)`: v rounded to the nearest T, ties to even; NaN stays NaN.
template <typename T>
SALUS_HD T from_float(float value);

template <>
SALUS_HD float from_float<float>(float value) {
  return value;
}

template <>
SALUS_HD Half from_float<Half>(float value) {
#if defined(__CUDACC__)
  return Half{__half_raw(__float2half_rn(value)).x};
#else
  return Half{std::bit_cast<std::uint16_t>(static_cast<_Float16>(value))};
#endif
}

template <>
SALUS_HD BFloat16 from_float<BFloat16>(float value) {
#if defined(__CUDACC__)
  return BFloat16{__nv_bfloat16_raw(__float2bfloat16_rn(value)).x};
#else
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if (value != value) return BFloat16{0x7fc0};
  return BFloat16{static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
#endif
}

/// a * b and a + b, each rounded to float32 and never fused into one multiply-add: for formulas
/// whose bits are given. Host code that calls them is compiled with -ffp-contract=off.
SALUS_HD float rounded_product(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fmul_rn(a, b);
#else
  return a * b;
#endif
}

SALUS_HD float rounded_sum(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fadd_rn(a, b);
#else
  return a + b;
#endif
}

/// The nearest integer, ties to even.
SALUS_HD int round_to_even(float value) {
#if defined(__CUDA_ARCH__)
  return __float2int_rn(value);
#else
  return static_cast<int>(std::nearbyint(value));
#endif
}

/// N values that move as one word of at most 16 bytes.
template <typename T, int N>
struct alignas(sizeof(T) * N) Pack {
  static_assert(sizeof(T) * N <= 16 && (N & (N - 1)) == 0);
  T v[N];
};

/// How many T are in 128 bits: the width of the fastest loads and stores.
template <typename T>
inline constexpr int kPer128 = static_cast<int>(16 / sizeof(T));

#if defined(__CUDACC__) || defined(SALUS_SIMT)

/// 128-bit load through the read-only cache. `from` must be a multiple of 16 bytes: the GPU faults
/// and the emulator reports it otherwise.
template <typename T>
__device__ __forceinline__ Pack<T, kPer128<T>> load128(const T* __restrict__ from) {
  Pack<T, kPer128<T>> pack;
#if defined(__CUDACC__)
  const uint4 word = __ldg(reinterpret_cast<const uint4*>(from));
  memcpy(&pack, &word, 16);
#else
  ::simt::load128(from, &pack);
#endif
  return pack;
}

/// 128-bit store; `to` must be a multiple of 16 bytes.
template <typename T>
__device__ __forceinline__ void store128(T* to, const Pack<T, kPer128<T>>& pack) {
#if defined(__CUDACC__)
  uint4 word;
  memcpy(&word, &pack, 16);
  *reinterpret_cast<uint4*>(to) = word;
#else
  ::simt::store128(to, &pack);
#endif
}

/// Reads a word that other blocks change by atomics meanwhile; orders nothing else.
__device__ __forceinline__ unsigned load_relaxed(unsigned* from) {
#if defined(__CUDACC__)
  unsigned value;
  asm volatile("ld.relaxed.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(from));
  return value;
#else
  return atomicOr(from, 0u);
#endif
}

/// Sum, maximum and minimum over the lanes of `mask`, which must be the whole warp or an aligned
/// power of two of its lanes given by `width`; every lane gets the same bits.
template <typename T>
__device__ __forceinline__ T warp_sum(T value, unsigned mask = kAllLanes, int width = kWarp) {
  for (int step = width / 2; step > 0; step /= 2) value += __shfl_xor_sync(mask, value, step);
  return value;
}

template <typename T>
__device__ __forceinline__ T warp_max(T value, unsigned mask = kAllLanes, int width = kWarp) {
  for (int step = width / 2; step > 0; step /= 2) {
    const T other = __shfl_xor_sync(mask, value, step);
    value = value < other ? other : value;
  }
  return value;
}

template <typename T>
__device__ __forceinline__ T warp_min(T value, unsigned mask = kAllLanes, int width = kWarp) {
  for (int step = width / 2; step > 0; step /= 2) {
    const T other = __shfl_xor_sync(mask, value, step);
    value = other < value ? other : value;
  }
  return value;
}

#endif

}  // namespace salus::kernels
