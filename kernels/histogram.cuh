#pragma once

#include "kernels/device.h"

// What clahe.cuh and histogram_equalize.cuh share: counting a rectangle of pixels in shared memory,
// and scanning the bins. Histograms of more than 2^14 bins do not fit the 99 KB of shared memory
// that every architecture has; they are counted 2^14 bins at a time, reading the pixels anew.

namespace salus::kernels {

inline constexpr unsigned kHistogramThreads = 512;
inline constexpr int kHistogramWarps = kHistogramThreads / kWarp;
inline constexpr int kMostBinsBits = 14;

/// Bins counted in one pass over the pixels.
SALUS_HD int histogram_pass_bins(int bits) {
  return 1 << (bits < kMostBinsBits ? bits : kMostBinsBits);
}

/// How often the histogram stands in shared memory: warps that share a copy wait for each other
/// where their pixels are alike. 32 KB leave room for four blocks on a multiprocessor.
SALUS_HD int histogram_copies(int bits) {
  const int copies = 8192 / histogram_pass_bins(bits);
  return copies < 1 ? 1 : (copies < 8 ? copies : 8);
}

inline std::size_t histogram_shared_bytes(int bits) {
  return sizeof(unsigned) * static_cast<std::size_t>(histogram_copies(bits)) *
         static_cast<std::size_t>(histogram_pass_bins(bits));
}

/// Pixels [left, right) of rows [top, bottom).
struct PixelBox {
  int left, right, top, bottom;
};

/// Up to 16 bytes of one row: elements [first, last) of `pack` are pixels from column `x` on.
template <typename T>
struct PixelGroup {
  Pack<T, kPer128<T>> pack;
  int y, x, first, last;
  __device__ __forceinline__ bool whole() const { return last - first == kPer128<T>; }
};

/// Calls visit(group, is_real) for every 16 bytes of `box`, each pixel once, in the same number of
/// steps for all lanes of a warp, so that it may hold warp collectives; `is_real` is false for
/// lanes that have nothing left. `vectors`: rows begin at multiples of 16 bytes. `row_of(y)` is the
/// row of `image` that stands for row y.
template <typename T, typename RowOf, typename Visit>
__device__ __forceinline__ void for_each_group(const T* __restrict__ image, int width,
                                               const PixelBox& box, bool vectors, RowOf row_of,
                                               Visit visit) {
  constexpr int kPer = kPer128<T>;
  const int first_group = box.left / kPer;
  const int groups = (box.right + kPer - 1) / kPer - first_group;
  const int rows = box.bottom - box.top;
  if (groups <= 0 || rows <= 0) return;
  const int threads = static_cast<int>(blockDim.x);
  const int steps = (rows * groups + threads - 1) / threads;
  for (int step = 0; step < steps; ++step) {
    const int at = step * threads + static_cast<int>(threadIdx.x);
    const bool is_real = at < rows * groups;
    PixelGroup<T> group{};
    if (is_real) {
      const int down = at / groups;
      group.y = box.top + down;
      group.x = (first_group + at - down * groups) * kPer;
      group.first = box.left > group.x ? box.left - group.x : 0;
      group.last = box.right - group.x < kPer ? box.right - group.x : kPer;
      const T* from = image + std::int64_t{row_of(group.y)} * width + group.x;
      if (vectors && group.whole()) {
        group.pack = load128(from);
      } else {
        SALUS_UNROLL for (int i = 0; i < kPer; ++i) {
          if (i >= group.first && i < group.last) group.pack.v[i] = from[i];
        }
      }
    }
    visit(group, is_real);
  }
}

/// Stores what was made of a group to where the group came from; `vectors` as above.
template <typename T>
__device__ __forceinline__ void store_group(T* to, const Pack<T, kPer128<T>>& made,
                                            const PixelGroup<T>& group, bool vectors) {
  if (vectors && group.whole()) {
    store128(to, made);
    return;
  }
  SALUS_UNROLL for (int i = 0; i < kPer128<T>; ++i) {
    if (i >= group.first && i < group.last) to[i] = made.v[i];
  }
}

/// Where a warp counts: bins [begin, begin + size) of 2^bits; higher values count as the highest.
struct BinWindow {
  unsigned* bins;
  unsigned begin, size, top;

  /// Adds `count` to the bin of `value`, if it lies in the window.
  __device__ __forceinline__ void add(unsigned value, unsigned count) const {
    const unsigned bin = (value < top ? value : top) - begin;
    if (bin < size) atomicAdd(bins + bin, count);
  }
};

/// A word of equal elements, divided by the element.
template <typename T>
inline constexpr unsigned kRepeat = sizeof(T) == 1 ? 0x01010101u : 0x00010001u;

/// Element `i` of a pack, out of its words: sixteen bytes apart would take sixteen registers.
template <typename T>
__device__ __forceinline__ unsigned element_of(const unsigned (&words)[4], int i) {
  constexpr int kPerWord = 4 / sizeof(T), kBits = 8 * sizeof(T);
  return words[i / kPerWord] >> (i % kPerWord * kBits) & ((1u << kBits) - 1);
}

/// Counts a group. Runs of equal neighbours are added at once, and a warp whose pixels are all
/// equal (background) makes one addition: thirty-two lanes on one bin would wait for each other.
template <typename T>
__device__ __forceinline__ void count_group(const PixelGroup<T>& group, bool is_real,
                                            const BinWindow& window) {
  constexpr int kPer = kPer128<T>;
  constexpr unsigned kMixed = 0xffffffffu;
  unsigned words[4];
  memcpy(words, &group.pack, sizeof words);
  const bool alike_here = words[0] == words[1] && words[0] == words[2] && words[0] == words[3] &&
                          element_of<T>(words, 0) * kRepeat<T> == words[0];
  const unsigned key = is_real && group.whole() && alike_here ? element_of<T>(words, 0) : kMixed;
  int alike = 0;
  __match_all_sync(kAllLanes, key, &alike);
  if (alike != 0 && key != kMixed) {
    if (threadIdx.x % kWarp == 0) window.add(key, kWarp * kPer);
    return;
  }
  if (!is_real) return;
  unsigned value = 0, run = 0;
  SALUS_UNROLL for (int i = 0; i < kPer; ++i) {
    if (i < group.first || i >= group.last) continue;
    const unsigned next = element_of<T>(words, i);
    if (run != 0 && next != value) {
      window.add(value, run);
      run = 0;
    }
    value = next;
    ++run;
  }
  if (run != 0) window.add(value, run);
}

/// Zeroes `size` shared words.
__device__ __forceinline__ void clear_bins(unsigned* bins, int size) {
  for (int i = static_cast<int>(threadIdx.x); i < size; i += static_cast<int>(blockDim.x)) {
    bins[i] = 0;
  }
  __syncthreads();
}

/// The copy of the calling warp.
__device__ __forceinline__ unsigned* own_copy(unsigned* bins, int pass_bins, int copies) {
  return bins + static_cast<int>(threadIdx.x / kWarp) % copies * pass_bins;
}

/// Adds the copies up into the first; all threads of the block must come.
__device__ __forceinline__ void merge_copies(unsigned* bins, int pass_bins, int copies) {
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < pass_bins && copies > 1;
       i += static_cast<int>(blockDim.x)) {
    unsigned sum = bins[i];
    for (int copy = 1; copy < copies; ++copy) sum += bins[copy * pass_bins + i];
    bins[i] = sum;
  }
  __syncthreads();
}

/// What the warps of the block put into `partial`, one lane each; the other lanes get 0.
__device__ __forceinline__ unsigned of_warp(const unsigned* partial) {
  const unsigned lane = threadIdx.x % kWarp;
  return lane < kHistogramWarps ? partial[lane] : 0;
}

/// Sum over the block's kHistogramThreads threads, in every thread; `partial` holds a word per warp.
__device__ __forceinline__ unsigned block_sum(unsigned value, unsigned* partial) {
  value = warp_sum(value);
  if (threadIdx.x % kWarp == 0) partial[threadIdx.x / kWarp] = value;
  __syncthreads();
  value = warp_sum(of_warp(partial));
  __syncthreads();
  return value;
}

/// The same for the maximum.
__device__ __forceinline__ unsigned block_max(unsigned value, unsigned* partial) {
  value = warp_max(value);
  if (threadIdx.x % kWarp == 0) partial[threadIdx.x / kWarp] = value;
  __syncthreads();
  value = warp_max(of_warp(partial));
  __syncthreads();
  return value;
}

/// Calls write(bin, carry + sum of count_of(0 .. bin)) for every bin of [0, bins); returns the sum
/// for the last. Each warp scans one stretch, 32 bins at a time.
template <typename CountOf, typename Write>
__device__ __forceinline__ unsigned scan_bins(int bins, unsigned carry, unsigned* partial,
                                              CountOf count_of, Write write) {
  const int warp = static_cast<int>(threadIdx.x / kWarp);
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  constexpr int kStep = static_cast<int>(kHistogramThreads);
  const int stretch = (bins + kStep - 1) / kStep * static_cast<int>(kWarp);
  const int begin = warp * stretch;
  const int end = begin + stretch < bins ? begin + stretch : bins;
  unsigned mine = 0;
  for (int i = begin + lane; i < end; i += static_cast<int>(kWarp)) mine += count_of(i);
  mine = warp_sum(mine);
  if (lane == 0) partial[warp] = mine;
  __syncthreads();
  const unsigned stretches = of_warp(partial);
  const unsigned all = carry + warp_sum(stretches);
  unsigned below = carry + warp_sum(lane < warp ? stretches : 0);
  __syncthreads();
  for (int base = begin; base < end; base += static_cast<int>(kWarp)) {
    const int bin = base + lane;
    unsigned sum = bin < end ? count_of(bin) : 0;
    SALUS_UNROLL for (int step = 1; step < static_cast<int>(kWarp); step *= 2) {
      const unsigned left = __shfl_up_sync(kAllLanes, sum, step);
      if (lane >= step) sum += left;
    }
    if (bin < end) write(bin, below + sum);
    below += __shfl_sync(kAllLanes, sum, static_cast<int>(kWarp) - 1);
  }
  return all;
}

}  // namespace salus::kernels
