#pragma once

// CUDA's atomics. The emulator may switch to another thread before each, as a GPU may.

#include <cstdint>
#include <cstring>

namespace simt {

/// Checks an atomic access of `bytes` at `address` from `place` of the body, and may run other
/// threads first.
void begin_atomic(const void* address, std::size_t bytes, const void* place);

/// Replaces *address by update(*address); returns the old value. Kept out of the access hooks,
/// which would see a plain read and a plain write; not inlined, so that the return address is the
/// place in the body.
template <typename T, typename Update>
__attribute__((noinline, no_sanitize_thread)) T atomic_update(T* address, Update update) {
  begin_atomic(address, sizeof(T), __builtin_return_address(0));
  const T old = *address;
  *address = update(old);
  return old;
}

}  // namespace simt

#define SALUS_SIMT_ATOMIC(name, type, expression)                                          \
  inline __attribute__((always_inline)) type name(type* address, type value) {             \
    return simt::atomic_update(                                                            \
        address,                                                                           \
        [=](type old) __attribute__((no_sanitize_thread)) -> type { return expression; }); \
  }
#define SALUS_SIMT_CAS(type)                                                                       \
  inline __attribute__((always_inline)) type atomicCAS(type* address, type expected, type value) { \
    return simt::atomic_update(address,                                                            \
                               [=](type old) __attribute__((no_sanitize_thread)) -> type {         \
                                 return old == expected ? value : old;                             \
                               });                                                                 \
  }
#define SALUS_SIMT_MIN_MAX_ATOMICS(type)                        \
  SALUS_SIMT_ATOMIC(atomicMin, type, value < old ? value : old) \
  SALUS_SIMT_ATOMIC(atomicMax, type, value > old ? value : old) \
  SALUS_SIMT_ATOMIC(atomicAnd, type, old& value)                \
  SALUS_SIMT_ATOMIC(atomicOr, type, old | value)                \
  SALUS_SIMT_ATOMIC(atomicXor, type, old ^ value)

// The types that CUDA has each for: more would let a body pass here that nvcc refuses. Integers are
// added as unsigned, since theirs wrap.
SALUS_SIMT_ATOMIC(atomicAdd, float, old + value)
SALUS_SIMT_ATOMIC(atomicAdd, double, old + value)
SALUS_SIMT_ATOMIC(atomicAdd, int,
                  static_cast<int>(static_cast<unsigned>(old) + static_cast<unsigned>(value)))
SALUS_SIMT_ATOMIC(atomicAdd, unsigned, old + value)
SALUS_SIMT_ATOMIC(atomicAdd, unsigned long long, old + value)
SALUS_SIMT_ATOMIC(atomicSub, int,
                  static_cast<int>(static_cast<unsigned>(old) - static_cast<unsigned>(value)))
SALUS_SIMT_ATOMIC(atomicSub, unsigned, old - value)
SALUS_SIMT_ATOMIC(atomicExch, float, (static_cast<void>(old), value))
SALUS_SIMT_ATOMIC(atomicExch, int, (static_cast<void>(old), value))
SALUS_SIMT_ATOMIC(atomicExch, unsigned, (static_cast<void>(old), value))
SALUS_SIMT_ATOMIC(atomicExch, unsigned long long, (static_cast<void>(old), value))
SALUS_SIMT_MIN_MAX_ATOMICS(int)
SALUS_SIMT_MIN_MAX_ATOMICS(unsigned)
SALUS_SIMT_MIN_MAX_ATOMICS(long long)
SALUS_SIMT_MIN_MAX_ATOMICS(unsigned long long)
// To 0 after `value`, and to `value` below 1 or above `value` (CUDA C++ Programming Guide).
SALUS_SIMT_ATOMIC(atomicInc, unsigned, old >= value ? 0 : old + 1)
SALUS_SIMT_ATOMIC(atomicDec, unsigned, old == 0 || old > value ? value : old - 1)
SALUS_SIMT_CAS(unsigned short)
SALUS_SIMT_CAS(int)
SALUS_SIMT_CAS(unsigned)
SALUS_SIMT_CAS(unsigned long long)
#undef SALUS_SIMT_MIN_MAX_ATOMICS
#undef SALUS_SIMT_CAS
#undef SALUS_SIMT_ATOMIC
