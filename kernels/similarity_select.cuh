#pragma once

#include <limits>

#include "kernels/device.h"
#include "kernels/similarity_scan_plan.h"

// Keys of candidates, and how a warp cuts a list of them back to its best.

namespace salus::kernels::similarity {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

#if defined(__CUDACC__) || defined(SALUS_SIMT)

/// Orders float32 values (not NaN) as unsigned numbers; 0 comes before all of them.
__device__ __forceinline__ unsigned order_of(float value) {
  const unsigned bits = __float_as_uint(value);
  return bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
}

__device__ __forceinline__ float value_of(unsigned order) {
  if (order == 0) return -kInfinity;
  return __uint_as_float(order >> 31 != 0 ? order & 0x7fffffffu : ~order);
}

__device__ __forceinline__ Key key_of(float value, unsigned row) {
  return static_cast<Key>(order_of(value)) << 32 | static_cast<unsigned>(~row);
}
__device__ __forceinline__ unsigned key_order(Key key) { return static_cast<unsigned>(key >> 32); }
__device__ __forceinline__ float key_value(Key key) { return value_of(key_order(key)); }
__device__ __forceinline__ unsigned key_row(Key key) { return ~static_cast<unsigned>(key); }

__device__ __forceinline__ int lane_id() { return static_cast<int>(threadIdx.x % kWarp); }

/// How many of keys[0 .. n) are at least `least`; by the whole warp.
__device__ inline int warp_count_from(const Key* keys, int n, Key least) {
  int count = 0;
  for (int i = lane_id(); i < n; i += kWarp) count += keys[i] >= least ? 1 : 0;
  return __reduce_add_sync(kAllLanes, count);
}

/// A key such that `keep` to keep + slack of keys[0 .. n) are at least that; n >= keep >= 1, and
/// the keys are distinct. With slack 0 it is the keep-th greatest. Finds it bit by bit, from the
/// first bit in which the keys differ.
__device__ inline Key warp_threshold(const Key* keys, int n, int keep, int slack) {
  unsigned greatest = 0;
  unsigned least = 0xffffffffu;
  for (int i = lane_id(); i < n; i += kWarp) {
    greatest = max(greatest, key_order(keys[i]));
    least = min(least, key_order(keys[i]));
  }
  greatest = __reduce_max_sync(kAllLanes, greatest);
  least = __reduce_min_sync(kAllLanes, least);
  const int shared_bits = __clz(static_cast<int>(greatest ^ least));  // 32 if all are equal
  int bit = 63 - shared_bits;
  // The bits that all have in common. (A shift by 64 is not defined.)
  Key threshold = shared_bits == 0 ? 0 : (static_cast<Key>(greatest) << 32) & ~Key{0} << (bit + 1);
  int count = n;
  for (; bit >= 0 && count > keep + slack; --bit) {
    const Key candidate = threshold | Key{1} << bit;
    const int from = warp_count_from(keys, n, candidate);
    if (from < keep) continue;
    threshold = candidate;
    count = from;
  }
  return threshold;
}

/// Moves those of keys[0 .. n) that are at least `least` to the front; returns their number.
__device__ inline int warp_keep_from(Key* keys, int n, Key least) {
  int kept = 0;
  for (int begin = 0; begin < n; begin += kWarp) {
    const int i = begin + lane_id();
    const Key key = i < n ? keys[i] : 0;
    const bool stays = i < n && key >= least;
    const unsigned vote = __ballot_sync(kAllLanes, stays ? 1 : 0);
    __syncwarp();  // all of these keys are read before places among them are written
    if (stays) keys[kept + __popc(vote & ((1u << lane_id()) - 1))] = key;
    kept += __popc(vote);
    __syncwarp();
  }
  return kept;
}

/// Cuts keys[0 .. n) back to the `keep` best and at most `slack` more; returns how many are left.
/// Every key that goes is less than `threshold`, which is left alone if none goes.
__device__ inline int warp_cut(Key* keys, int n, int keep, int slack, Key& threshold) {
  if (n <= keep + slack) return n;
  threshold = warp_threshold(keys, n, keep, slack);
  __syncwarp();
  return warp_keep_from(keys, n, threshold);
}

#endif

}  // namespace salus::kernels::similarity
