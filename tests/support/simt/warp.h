#pragma once

// Warp collectives. Each lane brings a payload that lies on its own stack; when every lane of the
// mask has come, one function combines the payloads. A new collective (mma.sync, ldmatrix) is one
// payload struct and one such function.

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace simt {

using Combine = void (*)(void* const lanes[32], unsigned mask);

void collective(const char* name, Combine combine, unsigned mask, void* payload, const char* file,
                int line, bool orders_memory = false);

/// What a lane brings to and takes from the collectives on one value.
struct LaneValue {
  std::uint64_t value = 0;
  int argument = 0;  ///< source lane, distance or xor mask of a shuffle
  int width = 32;
  std::uint64_t result = 0;
  bool all = false;
};

void combine_shuffle_index(void* const lanes[32], unsigned mask);
void combine_shuffle_up(void* const lanes[32], unsigned mask);
void combine_shuffle_down(void* const lanes[32], unsigned mask);
void combine_shuffle_xor(void* const lanes[32], unsigned mask);
void combine_ballot(void* const lanes[32], unsigned mask);
void combine_match_any(void* const lanes[32], unsigned mask);
void combine_match_all(void* const lanes[32], unsigned mask);

template <typename T>
LaneValue lane_value(T value, int argument = 0, int width = 32) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 4 or 8 bytes");
  LaneValue lane;
  std::memcpy(&lane.value, &value, sizeof(T));
  lane.argument = argument;
  lane.width = width;
  return lane;
}

template <typename T>
T shuffle(const char* name, Combine combine, unsigned mask, T value, int argument, int width,
          const char* file, int line) {
  LaneValue lane = lane_value(value, argument, width);
  collective(name, combine, mask, &lane, file, line);
  std::memcpy(&value, &lane.result, sizeof(T));
  return value;
}

/// Reduces the values of the lanes in ascending order with Operation{}(a, b).
template <typename T, typename Operation>
void combine_reduce(void* const lanes[32], unsigned mask) {
  T sum{};
  bool first = true;
  for (int i = 0; i < 32; ++i) {
    if ((mask >> i & 1) == 0) continue;
    T value;
    std::memcpy(&value, &static_cast<LaneValue*>(lanes[i])->value, sizeof(T));
    sum = first ? value : Operation{}(sum, value);
    first = false;
  }
  for (int i = 0; i < 32; ++i) {
    if ((mask >> i & 1) != 0) {
      std::memcpy(&static_cast<LaneValue*>(lanes[i])->result, &sum, sizeof(T));
    }
  }
}

}  // namespace simt

#define SALUS_SIMT_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncwarp(unsigned mask = 0xffffffffu, SALUS_SIMT_HERE) {
  simt::collective("__syncwarp", nullptr, mask, nullptr, file, line, true);
}

#define SALUS_SIMT_SHUFFLE(name, combine, argument_type)                                       \
  template <typename T>                                                                        \
  T name(unsigned mask, T value, argument_type argument, int width = 32, SALUS_SIMT_HERE) {    \
    return simt::shuffle(#name, combine, mask, value, static_cast<int>(argument), width, file, \
                         line);                                                                \
  }
SALUS_SIMT_SHUFFLE(__shfl_sync, simt::combine_shuffle_index, int)
SALUS_SIMT_SHUFFLE(__shfl_up_sync, simt::combine_shuffle_up, unsigned)
SALUS_SIMT_SHUFFLE(__shfl_down_sync, simt::combine_shuffle_down, unsigned)
SALUS_SIMT_SHUFFLE(__shfl_xor_sync, simt::combine_shuffle_xor, int)
#undef SALUS_SIMT_SHUFFLE

inline unsigned __ballot_sync(unsigned mask, int predicate, SALUS_SIMT_HERE) {
  return simt::shuffle("__ballot_sync", simt::combine_ballot, mask, unsigned{predicate != 0}, 0, 32,
                       file, line);
}
inline int __any_sync(unsigned mask, int predicate, SALUS_SIMT_HERE) {
  return simt::shuffle("__any_sync", simt::combine_ballot, mask, unsigned{predicate != 0}, 0, 32,
                       file, line) != 0;
}
inline int __all_sync(unsigned mask, int predicate, SALUS_SIMT_HERE) {
  return simt::shuffle("__all_sync", simt::combine_ballot, mask, unsigned{predicate != 0}, 0, 32,
                       file, line) == mask;
}

template <typename T>
unsigned __match_any_sync(unsigned mask, T value, SALUS_SIMT_HERE) {
  simt::LaneValue lane = simt::lane_value(value);
  simt::collective("__match_any_sync", simt::combine_match_any, mask, &lane, file, line);
  return static_cast<unsigned>(lane.result);
}
template <typename T>
unsigned __match_all_sync(unsigned mask, T value, int* all, SALUS_SIMT_HERE) {
  simt::LaneValue lane = simt::lane_value(value);
  simt::collective("__match_all_sync", simt::combine_match_all, mask, &lane, file, line);
  *all = lane.all ? 1 : 0;
  return static_cast<unsigned>(lane.result);
}

namespace simt {
struct Add {
  template <typename T>
  T operator()(T a, T b) const {
    return a + b;
  }
};
struct Min {
  template <typename T>
  T operator()(T a, T b) const {
    return b < a ? b : a;
  }
};
struct Max {
  template <typename T>
  T operator()(T a, T b) const {
    return a < b ? b : a;
  }
};
struct And {
  template <typename T>
  T operator()(T a, T b) const {
    return a & b;
  }
};
struct Or {
  template <typename T>
  T operator()(T a, T b) const {
    return a | b;
  }
};
struct Xor {
  template <typename T>
  T operator()(T a, T b) const {
    return a ^ b;
  }
};
}  // namespace simt

#define SALUS_SIMT_REDUCE(name, operation, type)                                                 \
  inline type name(unsigned mask, type value, SALUS_SIMT_HERE) {                                 \
    return simt::shuffle(#name, simt::combine_reduce<type, simt::operation>, mask, value, 0, 32, \
                         file, line);                                                            \
  }
SALUS_SIMT_REDUCE(__reduce_add_sync, Add, unsigned)
SALUS_SIMT_REDUCE(__reduce_min_sync, Min, unsigned)
SALUS_SIMT_REDUCE(__reduce_max_sync, Max, unsigned)
SALUS_SIMT_REDUCE(__reduce_add_sync, Add, int)
SALUS_SIMT_REDUCE(__reduce_min_sync, Min, int)
SALUS_SIMT_REDUCE(__reduce_max_sync, Max, int)
SALUS_SIMT_REDUCE(__reduce_and_sync, And, unsigned)
SALUS_SIMT_REDUCE(__reduce_or_sync, Or, unsigned)
SALUS_SIMT_REDUCE(__reduce_xor_sync, Xor, unsigned)
#undef SALUS_SIMT_REDUCE
#undef SALUS_SIMT_HERE
