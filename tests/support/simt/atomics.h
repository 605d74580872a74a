#pragma once

// CUDA's atomics. The emulator may switch to another thread before each, as a GPU may.

#include <cstdint>
#include <cstring>

namespace simt {

/// Checks an atomic access of `bytes` at `address`, and may run other threads first.
void begin_atomic(const void* address, std::size_t bytes);

/// Replaces *address by update(*address); returns the old value. Kept out of the access hooks,
/// which would see a plain read and a plain write.
template <typename T, typename Update>
__attribute__((noinline, no_sanitize_thread)) T atomic_update(T* address, Update update) {
  begin_atomic(address, sizeof(T));
  const T old = *address;
  *address = update(old);
  return old;
}

}  // namespace simt

#define SALUS_SIMT_ATOMIC(name, type, expression)                                          \
  inline type name(type* address, type value) {                                            \
    return simt::atomic_update(                                                            \
        address,                                                                           \
        [=](type old) __attribute__((no_sanitize_thread)) -> type { return expression; }); \
  }
#define SALUS_SIMT_ATOMICS(type)                  \
  SALUS_SIMT_ATOMIC(atomicAdd, type, old + value) \
  SALUS_SIMT_ATOMIC(atomicExch, type, (static_cast<void>(old), value))
#define SALUS_SIMT_INTEGER_ATOMICS(type)                                                   \
  SALUS_SIMT_ATOMICS(type)                                                                 \
  SALUS_SIMT_ATOMIC(atomicMin, type, value < old ? value : old)                            \
  SALUS_SIMT_ATOMIC(atomicMax, type, value > old ? value : old)                            \
  SALUS_SIMT_ATOMIC(atomicAnd, type, old& value)                                           \
  SALUS_SIMT_ATOMIC(atomicOr, type, old | value)                                           \
  SALUS_SIMT_ATOMIC(atomicXor, type, old ^ value)                                          \
  inline type atomicCAS(type* address, type expected, type value) {                        \
    return simt::atomic_update(address,                                                    \
                               [=](type old) __attribute__((no_sanitize_thread)) -> type { \
                                 return old == expected ? value : old;                     \
                               });                                                         \
  }
SALUS_SIMT_ATOMICS(float)
SALUS_SIMT_INTEGER_ATOMICS(int)
SALUS_SIMT_INTEGER_ATOMICS(unsigned)
SALUS_SIMT_INTEGER_ATOMICS(unsigned long long)
#undef SALUS_SIMT_INTEGER_ATOMICS
#undef SALUS_SIMT_ATOMICS
#undef SALUS_SIMT_ATOMIC
