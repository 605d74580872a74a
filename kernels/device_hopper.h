#pragma once

// Warpgroup matrix products (wgmma), the tensor memory accelerator and its barriers: sm_90a alone,
// for kernel bodies (see device.h). The emulator has no twins of these.
//
// A kernel that uses them is a template over some T and does so inside
// `if constexpr (kHasWarpgroups<T>)`, so that it compiles, empty, for every other architecture.
// Sources: PTX ISA, "Asynchronous Warpgroup Level Matrix Instructions", "cp.async.bulk.tensor",
// "mbarrier".

#include <type_traits>

#include "kernels/device.h"

namespace salus::kernels {

/// A CUtensorMap, as the driver encodes it.
struct alignas(64) TensorMap {
  unsigned char opaque[128];
};

#if defined(__CUDACC__)

/// Whether this pass of the compiler makes code for sm_90a.
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
template <typename T>
inline constexpr bool kHasWarpgroups = true;
#else
template <typename T>
inline constexpr bool kHasWarpgroups = false;
#endif

__device__ __forceinline__ unsigned shared_address(const void* shared) {
  return static_cast<unsigned>(__cvta_generic_to_shared(shared));
}

/// A barrier in shared memory that a phase of copies completes; made ready by one thread, before a
/// __syncthreads() that shows it to the others.
__device__ __forceinline__ void copy_barrier_init(std::uint64_t* barrier) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(shared_address(barrier)) : "memory");
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

/// Says how many bytes the next phase waits for; by the thread that starts its copies.
__device__ __forceinline__ void copy_barrier_expect(std::uint64_t* barrier, unsigned bytes) {
  asm volatile(
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
      "r"(bytes)
      : "memory");
}

/// Waits for the end of the phase of parity `parity` (0 for the first).
__device__ __forceinline__ void copy_barrier_wait(std::uint64_t* barrier, unsigned parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@done bra over;\n"
      "bra again;\n"
      "over:\n"
      "}" ::"r"(shared_address(barrier)),
      "r"(parity)
      : "memory");
}

/// Starts to copy the map's box at (column, row) to shared memory, in the map's swizzle; what lies
/// beyond the tensor becomes zeros, and all of the box's bytes count for the barrier.
__device__ __forceinline__ void copy_tensor_box(void* to_shared, const TensorMap* map, int column,
                                                int row, std::uint64_t* barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
      " [%0], [%1, {%2, %3}], [%4];" ::"r"(shared_address(to_shared)),
      "l"(map), "r"(column), "r"(row), "r"(shared_address(barrier))
      : "memory");
}

/// Orders the thread's earlier accesses of shared memory before those of wgmma and of tensor copies.
__device__ __forceinline__ void fence_async_proxy() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

/// What wgmma is told about a matrix of lines of 128 bytes along k in the 128-byte swizzle (16-byte
/// word w of line r at word w ^ r % 8), which begins at a multiple of 1024 bytes, or at the k-th 32
/// bytes of such a matrix: groups of 8 lines are 1024 bytes apart.
__device__ __forceinline__ std::uint64_t swizzled_matrix(const void* shared, int k) {
  constexpr std::uint64_t kSwizzle128 = std::uint64_t{1} << 62;
  constexpr std::uint64_t kGroupStride = std::uint64_t{1024 / 16} << 32;
  constexpr std::uint64_t kLeadingStride = std::uint64_t{1} << 16;  // not used by swizzled layouts
  const std::uint64_t begin = (shared_address(shared) + 32 * static_cast<unsigned>(k)) & 0x3ffffu;
  return kSwizzle128 | kGroupStride | kLeadingStride | begin >> 4;
}

__device__ __forceinline__ void warpgroup_begin() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ __forceinline__ void warpgroup_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
/// Waits until at most kPending of the warpgroup's latest groups are under way.
template <int kPending>
__device__ __forceinline__ void warpgroup_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}

#define SALUS_SUMS(j) "+f"(c[j][0]), "+f"(c[j][1]), "+f"(c[j][2]), "+f"(c[j][3])
#define SALUS_WGMMA(type)                                                                         \
  asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32." type "." type                        \
               " {%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21," \
               "%22,%23,%24,%25,%26,%27,%28,%29,%30,%31}, %32, %33, 1, 1, 1, 0, 0;"               \
               : SALUS_SUMS(0), SALUS_SUMS(1), SALUS_SUMS(2), SALUS_SUMS(3), SALUS_SUMS(4),       \
                 SALUS_SUMS(5), SALUS_SUMS(6), SALUS_SUMS(7)                                      \
               : "l"(a), "l"(b))

/// c += a b by four warps, over 16 elements of k: a has 64 lines, b 64 columns. Warp w has rows 16 w
/// to 16 w + 15, and in c[j] of them columns 8 j to 8 j + 7, as mma leaves them (device_tensor.h).
/// c is not valid until warpgroup_wait().
template <typename T>
__device__ __forceinline__ void warpgroup_mma(float (&c)[8][4], std::uint64_t a, std::uint64_t b) {
  if constexpr (std::is_same_v<T, Half>) {
    SALUS_WGMMA("f16");
  } else {
    static_assert(std::is_same_v<T, BFloat16>);
    SALUS_WGMMA("bf16");
  }
}

#undef SALUS_WGMMA
#undef SALUS_SUMS

#endif

}  // namespace salus::kernels
