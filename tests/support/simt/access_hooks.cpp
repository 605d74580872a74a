// -fsanitize=thread makes the compiler call these functions at every load and store of a file; this
// is all that the emulator takes from it: no libtsan is linked. So each access of a kernel body is
// seen with its exact address and width while the body's text stays as it is.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tests/support/simt/memory.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

bool simt::counts_accesses() { return false; }

#else

namespace {

// Inlined into each hook, so that the return address is the place in the body.
inline __attribute__((always_inline)) void note(const void* address, std::size_t bytes,
                                                simt::Access kind) {
  simt::note_access(reinterpret_cast<std::uintptr_t>(address), bytes, kind,
                    __builtin_return_address(0));
}

/// An access that the compiler takes to be aligned; on the GPU it faults if it is not.
template <std::size_t bytes>
inline __attribute__((always_inline)) void note_aligned(const void* address, simt::Access kind) {
  if (reinterpret_cast<std::uintptr_t>(address) % bytes != 0) {
    simt::note_misaligned(address, bytes, kind);
  }
  note(address, bytes, kind);
}

}  // namespace

bool simt::counts_accesses() { return true; }

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

#define SALUS_ACCESS(bytes)                                                                    \
  void __tsan_read##bytes(void* p) { note_aligned<bytes>(p, simt::Access::kRead); }            \
  void __tsan_write##bytes(void* p) { note_aligned<bytes>(p, simt::Access::kWrite); }          \
  void __tsan_unaligned_read##bytes(void* p) { note(p, bytes, simt::Access::kRead); }          \
  void __tsan_unaligned_write##bytes(void* p) { note(p, bytes, simt::Access::kWrite); }        \
  void __tsan_volatile_read##bytes(void* p) { note_aligned<bytes>(p, simt::Access::kRead); }   \
  void __tsan_volatile_write##bytes(void* p) { note_aligned<bytes>(p, simt::Access::kWrite); } \
  void __tsan_unaligned_volatile_read##bytes(void* p) { note(p, bytes, simt::Access::kRead); } \
  void __tsan_unaligned_volatile_write##bytes(void* p) { note(p, bytes, simt::Access::kWrite); }
SALUS_ACCESS(1)
SALUS_ACCESS(2)
SALUS_ACCESS(4)
SALUS_ACCESS(8)
SALUS_ACCESS(16)
#undef SALUS_ACCESS

void __tsan_read_range(void* p, std::size_t bytes) { note(p, bytes, simt::Access::kRead); }
void __tsan_write_range(void* p, std::size_t bytes) { note(p, bytes, simt::Access::kWrite); }

// Host code in the same files (GoogleTest, std::shared_ptr) uses C++ atomics; kernels use CUDA's.
#define SALUS_ATOMICS(bits, type)                                                                  \
  type __tsan_atomic##bits##_load(const volatile type* p, int) {                                   \
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                                   \
  }                                                                                                \
  void __tsan_atomic##bits##_store(volatile type* p, type v, int) {                                \
    __atomic_store_n(p, v, __ATOMIC_SEQ_CST);                                                      \
  }                                                                                                \
  type __tsan_atomic##bits##_exchange(volatile type* p, type v, int) {                             \
    return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                                            \
  }                                                                                                \
  type __tsan_atomic##bits##_fetch_add(volatile type* p, type v, int) {                            \
    return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);                                             \
  }                                                                                                \
  type __tsan_atomic##bits##_fetch_sub(volatile type* p, type v, int) {                            \
    return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST);                                             \
  }                                                                                                \
  type __tsan_atomic##bits##_fetch_or(volatile type* p, type v, int) {                             \
    return __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST);                                              \
  }                                                                                                \
  type __tsan_atomic##bits##_fetch_and(volatile type* p, type v, int) {                            \
    return __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST);                                             \
  }                                                                                                \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile type* p, type* e, type v, int, int) { \
    return __atomic_compare_exchange_n(p, e, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);        \
  }                                                                                                \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile type* p, type* e, type v, int, int) {   \
    return __atomic_compare_exchange_n(p, e, v, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);         \
  }
SALUS_ATOMICS(8, std::uint8_t)
SALUS_ATOMICS(16, std::uint16_t)
SALUS_ATOMICS(32, std::uint32_t)
SALUS_ATOMICS(64, std::uint64_t)
#undef SALUS_ATOMICS
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int) {}

}  // extern "C"

#endif
