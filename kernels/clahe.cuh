#pragma once

#include "kernels/clahe_plan.h"
#include "kernels/histogram.cuh"

// Two launches. clahe_table_kernel: one block per tile counts, clips, spreads and scans in shared
// memory. clahe_apply_kernel: blocks take parts of cells (the rectangles between the centres of
// tiles), where all pixels use the same four tables; these are interleaved in shared memory, so
// that one 8-byte load fetches the four entries of a pixel. Above kMostQuadBits they do not fit and
// are read through the cache.

namespace salus::kernels {

inline constexpr unsigned kClaheThreads = kHistogramThreads;
inline constexpr int kMostQuadBits = 12;

inline LaunchShape clahe_table_shape(const ClahePlan& plan) {
  // Images along y stop at 65,535: the kernel strides over the rest.
  return {.grid = {static_cast<unsigned>(plan.tiles()),
                   static_cast<unsigned>(plan.count < 65535 ? plan.count : 65535)},
          .block = {kClaheThreads},
          .shared_bytes = histogram_shared_bytes(plan.bits)};
}

inline LaunchShape clahe_apply_shape(const ClahePlan& plan) {
  return {.grid = {static_cast<unsigned>(ClaheParts::of(plan).per_image()),
                   static_cast<unsigned>(plan.count < 65535 ? plan.count : 65535)},
          .block = {kClaheThreads},
          .shared_bytes = plan.bits <= kMostQuadBits ? std::size_t{8} << plan.bits : 0};
}

/// Counts one tile, a window of bins at a time.
template <typename T>
class ClaheTileCounter {
 public:
  __device__ __forceinline__ ClaheTileCounter(const ClahePlan& plan, const T* __restrict__ image,
                                              unsigned* bins, bool vectors)
      : plan_(plan), image_(image), bins_(bins), vectors_(vectors) {
    const int tile = static_cast<int>(blockIdx.x);
    left_ = tile % plan.tiles_x * plan.tile_width;
    top_ = tile / plan.tiles_x * plan.tile_height;
  }

  /// Counts bins [pass * window, ...) unless that is what is counted already.
  __device__ __forceinline__ void count(int pass) {
    if (pass == counted_pass_) return;
    counted_pass_ = pass;
    const int size = histogram_pass_bins(plan_.bits);
    const int copies = histogram_copies(plan_.bits);
    __syncthreads();
    clear_bins(bins_, size * copies);
    const BinWindow window{own_copy(bins_, size, copies), static_cast<unsigned>(pass * size),
                           static_cast<unsigned>(size), static_cast<unsigned>(plan_.levels() - 1)};
    const auto row_of = [this](int y) { return reflect_101(y, plan_.height); };
    const int right = left_ + plan_.tile_width;
    const int inside = right < plan_.width ? right : plan_.width;
    const PixelBox box{left_, inside, top_, top_ + plan_.tile_height};
    if (left_ < inside) {
      for_each_group(
          image_, plan_.width, box, vectors_, row_of,
          [&](const PixelGroup<T>& group, bool is_real) { count_group(group, is_real, window); });
    }
    count_beyond(window, left_ > inside ? left_ : inside, right);
    merge_copies(bins_, size, copies);
  }

  /// Count of a bin of the window that was counted last.
  __device__ __forceinline__ unsigned all_of(int bin) const { return bins_[bin]; }
  /// The same without ignored values.
  __device__ __forceinline__ unsigned operator()(int bin) const {
    return is_ignored(bin) ? 0 : bins_[bin];
  }
  __device__ __forceinline__ bool is_ignored(int bin) const {
    return plan_.ignores(static_cast<unsigned>(first_bin() + bin));
  }
  __device__ __forceinline__ int first_bin() const {
    return counted_pass_ * histogram_pass_bins(plan_.bits);
  }

 private:
  /// Columns [from, to) lie beyond the image and are its reflection.
  __device__ __forceinline__ void count_beyond(const BinWindow& window, int from, int to) const {
    const int columns = to - from;
    const int count = columns * plan_.tile_height;
    for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x)) {
      const int y = reflect_101(top_ + i / columns, plan_.height);
      const int x = reflect_101(from + i % columns, plan_.width);
      window.add(image_[std::int64_t{y} * plan_.width + x], 1);
    }
  }

  const ClahePlan& plan_;
  const T* image_;
  unsigned* bins_;
  bool vectors_;
  int left_ = 0, top_ = 0;
  int counted_pass_ = -1;
};

/// `tables`: [images, stride] with the tables of an image's tiles one after another. `vectors`:
/// rows begin at multiples of 16 bytes.
template <typename T>
__global__ void __launch_bounds__(kClaheThreads, 2)
    clahe_table_kernel(ClahePlan plan, const T* __restrict__ images,
                       std::uint16_t* __restrict__ tables, std::int64_t stride, bool vectors) {
  SALUS_DYNAMIC_SHARED(unsigned, bins);
  SALUS_SHARED(unsigned, partial, [kHistogramWarps]);
  const int size = histogram_pass_bins(plan.bits);
  const int passes = plan.levels() / size;
  const int thread = static_cast<int>(threadIdx.x);
  for (int i = blockIdx.y; i < plan.count; i += gridDim.y) {
    ClaheTileCounter<T> counter(plan, images + i * plan.pixels(), bins, vectors);
    const auto area =
        static_cast<unsigned>(plan.tile_width) * static_cast<unsigned>(plan.tile_height);
    std::uint16_t* table = tables + i * stride + std::int64_t{blockIdx.x} * plan.levels();
    // Three goals one after another, each over all windows of bins: how many pixels are ignored,
    // how many exceed the limit, and the table. One loop, so that the counting stands once in the
    // code.
    unsigned counted = area, limit = clahe_limit(plan, area), mine = 0, below = 0;
    ClaheSpread spread{limit, 0, 0, 1};
    const int first_goal = plan.ignores() ? 0 : (limit < counted ? 1 : 2);
    for (int step = first_goal * passes; step < 3 * passes; ++step) {
      const int goal = step / passes, pass = step - goal * passes;
      const bool is_last = pass == passes - 1;
      if (goal == 1 && limit >= counted) continue;
      counter.count(pass);
      if (goal == 0) {
        for (int bin = thread; bin < size; bin += kClaheThreads) {
          if (counter.is_ignored(bin)) mine += counter.all_of(bin);
        }
        if (is_last) {
          counted = area - block_sum(mine, partial);
          limit = clahe_limit(plan, counted);
          spread.limit = limit;
          mine = 0;
        }
      } else if (goal == 1) {
        for (int bin = thread; bin < size; bin += kClaheThreads) {
          const unsigned count = counter(bin);
          mine += count > limit ? count - limit : 0;
        }
        if (is_last) spread = clahe_spread(limit, block_sum(mine, partial), plan.bits);
      } else {
        const int first = counter.first_bin();
        const float scale = histogram_scale(plan.levels(), counted);
        below = scan_bins(
            size, below, partial,
            [&](int bin) { return spread(static_cast<unsigned>(first + bin), counter(bin)); },
            [&](int bin, unsigned sum) {
              table[first + bin] = counted == 0 ? static_cast<std::uint16_t>(first + bin)
                                                : histogram_entry(sum, scale, plan.levels());
            });
      }
    }
  }
}

/// The entries of one value in the four tables around a cell.
using ClaheQuad = Pack<std::uint16_t, 4>;

/// The four tables around one cell, in shared memory (kShared) or where they are.
template <bool kShared>
struct ClaheQuads {
  const std::uint16_t* from[4];
  ClaheQuad* shared;

  __device__ __forceinline__ void stage(int levels) const {
    if constexpr (kShared) {
      for (int v = 2 * static_cast<int>(threadIdx.x); v < levels;
           v += 2 * static_cast<int>(blockDim.x)) {
        Pack<std::uint16_t, 8> two;
        SALUS_UNROLL for (int corner = 0; corner < 4; ++corner) {
          const auto pair = *reinterpret_cast<const Pack<std::uint16_t, 2>*>(from[corner] + v);
          two.v[corner] = pair.v[0];
          two.v[4 + corner] = pair.v[1];
        }
        *reinterpret_cast<Pack<std::uint16_t, 8>*>(shared + v) = two;
      }
      __syncthreads();
    }
  }

  __device__ __forceinline__ ClaheQuad operator[](unsigned value) const {
    if constexpr (kShared) {
      return shared[value];
    } else {
      ClaheQuad quad;
      SALUS_UNROLL for (int corner = 0; corner < 4; ++corner) {
        quad.v[corner] = __ldg(from[corner] + value);
      }
      return quad;
    }
  }
};

template <typename T, typename Quads>
__device__ __forceinline__ T clahe_pixel(const ClahePlan& plan, const Quads& quads, T stored, int x,
                                         float lower) {
  const unsigned value = plan.saturated(stored);
  if (plan.ignores(value)) return static_cast<T>(value);
  const ClaheQuad quad = quads[value];
  const float right = clahe_position(x, plan.inverse_tile_width).weight;
  return static_cast<T>(clahe_blend(quad.v[0], quad.v[1], quad.v[2], quad.v[3], right, lower));
}

/// Equalises `count` images by their tables; arguments as above, `vectors` for `out` too.
template <typename T, bool kShared>
__global__ void __launch_bounds__(kClaheThreads, 2)
    clahe_apply_kernel(ClahePlan plan, ClaheParts parts, const T* __restrict__ images,
                       T* __restrict__ out, const std::uint16_t* __restrict__ tables,
                       std::int64_t stride, bool vectors) {
  constexpr int kPer = kPer128<T>;
  ClaheQuads<kShared> quads{};
  if constexpr (kShared) {
    SALUS_DYNAMIC_SHARED(ClaheQuad, staged);
    quads.shared = staged;
  }
  const ClahePart part = parts.part(plan, static_cast<int>(blockIdx.x));
  const PixelBox box{part.left, part.right, part.top, part.bottom};
  if (box.left >= box.right || box.top >= box.bottom) return;
  for (int i = blockIdx.y; i < plan.count; i += gridDim.y) {
    SALUS_UNROLL for (int corner = 0; corner < 4; ++corner) {
      quads.from[corner] = tables + i * stride + std::int64_t{part.tile[corner]} * plan.levels();
    }
    quads.stage(plan.levels());
    T* to = out + i * plan.pixels();
    for_each_group(
        images + i * plan.pixels(), plan.width, box, vectors, [](int y) { return y; },
        [&](const PixelGroup<T>& group, bool is_real) {
          if (!is_real) return;
          const float lower = clahe_position(group.y, plan.inverse_tile_height).weight;
          Pack<T, kPer> made;
          SALUS_UNROLL for (int e = 0; e < kPer; ++e) {
            made.v[e] = clahe_pixel(plan, quads, group.pack.v[e], group.x + e, lower);
          }
          store_group(to + std::int64_t{group.y} * plan.width + group.x, made, group, vectors);
        });
    if constexpr (kShared) __syncthreads();
  }
}

}  // namespace salus::kernels
