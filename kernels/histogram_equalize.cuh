#pragma once

#include "kernels/histogram.cuh"
#include "kernels/histogram_equalize_plan.h"

// Three launches: blocks count stretches of an image in shared memory and add them to its
// histogram; one block per image makes the table; then every pixel is looked up. The counts must be
// zero before.

namespace salus::kernels {

/// Tables up to so many bits are copied to shared memory (32 KB).
inline constexpr int kMostTableBits = 14;

/// Pixels of a block: enough that adding its bins to the image's costs little beside.
inline int equalize_stretch(const EqualizePlan& plan) {
  const int least = 4 * plan.levels();
  return least > 64 * 1024 ? least : 64 * 1024;
}

inline LaunchShape equalize_shape(const EqualizePlan& plan, std::size_t shared_bytes) {
  const std::int64_t stretch = equalize_stretch(plan);
  // Images along y stop at 65,535: the kernels stride over the rest.
  return {.grid = {static_cast<unsigned>((plan.pixels + stretch - 1) / stretch),
                   static_cast<unsigned>(plan.count < 65535 ? plan.count : 65535)},
          .block = {kHistogramThreads},
          .shared_bytes = shared_bytes};
}

inline LaunchShape equalize_count_shape(const EqualizePlan& plan) {
  return equalize_shape(plan, histogram_shared_bytes(plan.bits));
}

inline LaunchShape equalize_table_shape(const EqualizePlan& plan) {
  return {.grid = {static_cast<unsigned>(plan.count)}, .block = {kHistogramThreads}};
}

inline LaunchShape equalize_apply_shape(const EqualizePlan& plan) {
  return equalize_shape(plan, plan.bits <= kMostTableBits ? std::size_t{2} << plan.bits : 0);
}

/// The block's stretch of an image, as one row.
__device__ __forceinline__ PixelBox equalize_box(const EqualizePlan& plan, int stretch) {
  const int left = static_cast<int>(blockIdx.x) * stretch;
  return {left, plan.pixels - left < stretch ? plan.pixels : left + stretch, 0, 1};
}

/// `counts` [count, levels]; `vectors`: every image begins at a multiple of 16 bytes.
template <typename T>
__global__ void __launch_bounds__(kHistogramThreads)
    equalize_count_kernel(EqualizePlan plan, int stretch, const T* __restrict__ images,
                          unsigned* __restrict__ counts, bool vectors) {
  SALUS_DYNAMIC_SHARED(unsigned, bins);
  const int size = histogram_pass_bins(plan.bits);
  const int copies = histogram_copies(plan.bits);
  const PixelBox box = equalize_box(plan, stretch);
  for (int i = blockIdx.y; i < plan.count; i += gridDim.y) {
    unsigned* to = counts + std::int64_t{i} * plan.levels();
    for (int first = 0; first < plan.levels(); first += size) {
      clear_bins(bins, size * copies);
      const BinWindow window{own_copy(bins, size, copies), static_cast<unsigned>(first),
                             static_cast<unsigned>(size), static_cast<unsigned>(plan.levels() - 1)};
      for_each_group(
          images + std::int64_t{i} * plan.pixels, plan.pixels, box, vectors,
          [](int y) { return y; },
          [&](const PixelGroup<T>& group, bool is_real) { count_group(group, is_real, window); });
      merge_copies(bins, size, copies);
      for (int bin = static_cast<int>(threadIdx.x); bin < size; bin += kHistogramThreads) {
        if (bins[bin] != 0) atomicAdd(to + first + bin, bins[bin]);
      }
      __syncthreads();
    }
  }
}

/// Counts to tables [count, levels]; one block per image.
__global__ void __launch_bounds__(kHistogramThreads)
    equalize_table_kernel(EqualizePlan plan, const unsigned* __restrict__ counts,
                          std::uint16_t* __restrict__ tables) {
  SALUS_SHARED(unsigned, partial, [kHistogramWarps]);
  const unsigned* from = counts + std::int64_t{blockIdx.x} * plan.levels();
  std::uint16_t* table = tables + std::int64_t{blockIdx.x} * plan.levels();
  const auto count_of = [&](int bin) {
    return plan.ignores(static_cast<unsigned>(bin)) ? 0 : from[bin];
  };
  // The lowest counted value is the one whose sum is not 0 and that no other lies below of: found
  // as the largest `levels - bin` among counted ones.
  unsigned mine = 0, sum = 0;
  for (int bin = static_cast<int>(threadIdx.x); bin < plan.levels(); bin += kHistogramThreads) {
    const unsigned count = count_of(bin);
    sum += count;
    const auto rank = static_cast<unsigned>(plan.levels() - bin);
    if (count != 0 && rank > mine) mine = rank;
  }
  const unsigned counted = block_sum(sum, partial);
  const unsigned highest = block_max(mine, partial);
  const unsigned lowest = highest == 0 ? 0 : count_of(plan.levels() - static_cast<int>(highest));
  const float scale = histogram_scale(plan.levels(), counted - lowest);
  scan_bins(plan.levels(), 0, partial, count_of, [&](int bin, unsigned below) {
    table[bin] = counted == lowest
                     ? static_cast<std::uint16_t>(bin)
                     : histogram_entry(below > lowest ? below - lowest : 0, scale, plan.levels());
  });
}

/// Looks every pixel up; kShared: the table is copied to shared memory first.
template <typename T, bool kShared>
__global__ void __launch_bounds__(kHistogramThreads)
    equalize_apply_kernel(EqualizePlan plan, int stretch, const T* __restrict__ images,
                          T* __restrict__ out, const std::uint16_t* __restrict__ tables,
                          bool vectors) {
  constexpr int kPer = kPer128<T>;
  const PixelBox box = equalize_box(plan, stretch);
  for (int i = blockIdx.y; i < plan.count; i += gridDim.y) {
    const std::uint16_t* table = tables + std::int64_t{i} * plan.levels();
    if constexpr (kShared) {
      SALUS_DYNAMIC_SHARED(std::uint16_t, staged);
      __syncthreads();
      for (int v = static_cast<int>(threadIdx.x); v < plan.levels(); v += kHistogramThreads) {
        staged[v] = table[v];
      }
      __syncthreads();
      table = staged;
    }
    T* to = out + std::int64_t{i} * plan.pixels;
    for_each_group(
        images + std::int64_t{i} * plan.pixels, plan.pixels, box, vectors, [](int y) { return y; },
        [&](const PixelGroup<T>& group, bool is_real) {
          if (!is_real) return;
          Pack<T, kPer> made;
          SALUS_UNROLL for (int e = 0; e < kPer; ++e) {
            const unsigned value = plan.saturated(group.pack.v[e]);
            made.v[e] = static_cast<T>(plan.ignores(value) ? value : table[value]);
          }
          store_group(to + group.x, made, group, vectors);
        });
  }
}

}  // namespace salus::kernels
