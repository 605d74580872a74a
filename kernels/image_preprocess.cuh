#pragma once

// Body of image_preprocess on the GPU: one launch for a batch of images of any sizes.
//
// A thread block makes one tile of one image. Its threads stand in lines; each line makes output
// rows in turn: a thread owns kPerThread neighbouring source elements, walks the source rows of the
// output row with 128-bit loads, windows and sums them in registers, and leaves the sums in shared
// memory, from which the block then takes the weighted sums along the columns. A source row that
// two output rows of a line share stays in registers: inside a tile each source pixel is read once.

#include "kernels/device.h"
#include "kernels/image_preprocess_batch.h"

namespace salus::kernels::preprocess {

/// image_preprocess_math.h for one value.
struct Scalar {
  using V = float;
  SALUS_HD static float set(float value) { return value; }
  SALUS_HD static float sub(float a, float b) { return a - b; }
  SALUS_HD static float mul(float a, float b) { return a * b; }
  SALUS_HD static float div(float a, float b) {
#if defined(__CUDA_ARCH__)
    return __fdividef(a, b);  // 2 units in the last place for b < 2^126; no call, no stack
#else
    return a / b;
#endif
  }
  SALUS_HD static float fma(float a, float b, float c) { return fmaf(a, b, c); }
  SALUS_HD static float min(float a, float b) { return fminf(a, b); }
  SALUS_HD static float max(float a, float b) { return fmaxf(a, b); }
  SALUS_HD static float clamp01(float a) {
#if defined(__CUDA_ARCH__)
    return __saturatef(a);  // one instruction with the multiply-add before it
#else
    return fminf(fmaxf(a, 0.0F), 1.0F);
#endif
  }
  SALUS_HD static float round(float a) { return rintf(a); }
  SALUS_HD static float keep_nan(float in, float out) { return in != in ? in : out; }
  SALUS_HD static float look_up(const float* table, float index) {
    return table[static_cast<int>(index)];
  }
  SALUS_HD static float pow2(float exponent) {
    const int bits = (static_cast<int>(exponent) + 127) << 23;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
  }
  SALUS_HD static float select_between(float x, float low, float high, float inside,
                                       float outside) {
    return x >= low && x <= high ? inside : outside;
  }
};

#include "kernels/image_preprocess_math.h"

/// Terms that are added in plain float32 before Kahan's compensation, as on the CPU.
inline constexpr int kBlockTerms = 16;
/// Source rows whose loads are in flight together: 64 bytes a thread. Loads of single elements and
/// windows with much arithmetic go row by row, they would take too many registers.
template <class T, WindowOp op, bool kWhole>
inline constexpr int kRowsAhead = !kWhole || op == WindowOp::kSigmoid || op == WindowOp::kTable ? 1
                                  : sizeof(T) != 2                                              ? 2
                                                                                                : 4;

inline LaunchShape image_preprocess_shape(const DeviceBatch& batch) {
  return {.grid = {static_cast<unsigned>(batch.tiles)}, .block = {kThreads}};
}

/// One float of room after every 32, so that neighbouring outputs, whose elements are 2, 4 or 8
/// apart, read from different banks.
__device__ __forceinline__ int place(int i) { return i + (i >> 5); }

/// A sum with Kahan's compensation.
struct Total {
  float sum = 0, lost = 0;
  __device__ __forceinline__ void add(float value) {
    const float term = value - lost;
    const float after = sum + term;
    lost = (after - sum) - term;
    sum = after;
  }
};

/// The kPerThread elements of one thread in one source row, as stored.
template <class T>
struct Elements {
  static constexpr int kEach = sizeof(T) == 4 ? 4 : kPerThread;
  static constexpr int kParts = kPerThread / kEach;
  Pack<T, kEach> part[kParts];
  __device__ __forceinline__ float get(int i) const {
    return static_cast<float>(part[i / kEach].v[i % kEach]);
  }
};

/// One line of threads at work on the columns of one tile.
template <class T>
struct Line {
  const DeviceImage& image;
  const DeviceAxis& rows;
  int element;                   // of the box's rows: the first of this thread
  std::int64_t lowest, highest;  // elements that the tensor's row has
  float value[kPerThread];       // windowed, of row `held`
  int held;

  /// Whether this thread's elements can be read as whole aligned words.
  __device__ __forceinline__ bool whole() const {
    return image.tile.aligned != 0 && element >= lowest && element + kPerThread <= highest;
  }

  template <bool kWhole>
  __device__ __forceinline__ Elements<T> load(int y) const {
    const T* from = static_cast<const T*>(image.plan.pixels) + y * image.plan.row_stride + element;
    Elements<T> out;
    if constexpr (!kWhole) {
      SALUS_UNROLL for (int i = 0; i < kPerThread; ++i) {
        const bool there = element + i >= lowest && element + i < highest;
        out.part[i / out.kEach].v[i % out.kEach] = there ? from[i] : T{};
      }
    } else if constexpr (sizeof(T) == 1) {
      out.part[0] = *reinterpret_cast<const Pack<T, kPerThread>*>(from);
    } else {
      SALUS_UNROLL for (int p = 0; p < out.kParts; ++p) out.part[p] = load128(from + p * out.kEach);
    }
    return out;
  }

  /// Adds kRows source rows from `y` on; their loads are in flight together.
  template <WindowOp op, bool kPadding, bool kWhole, int kRows>
  __device__ __forceinline__ void add_group(const WindowConstants<Scalar>& k, int& y,
                                            const float*& weight, float (&sum)[kPerThread]) {
    Elements<T> stored[kRows];
    SALUS_UNROLL for (int r = 0; r < kRows; ++r) stored[r] = load<kWhole>(y + r);
    SALUS_UNROLL for (int r = 0; r < kRows; ++r) {
      const float w = weight[r];
      SALUS_UNROLL for (int i = 0; i < kPerThread; ++i) {
        value[i] = windowed < Scalar, op, kPadding, sizeof(T) == 4 > (k, stored[r].get(i));
        sum[i] = fmaf(w, value[i], sum[i]);
      }
    }
    y += kRows;
    weight += kRows;
  }

  /// Weighted sum of source rows [y, end), at most kBlockTerms, onto `sum`.
  template <WindowOp op, bool kPadding, bool kWhole>
  __device__ __forceinline__ void add_rows_as(int y, int end, const float* weight,
                                              float (&sum)[kPerThread]) {
    constexpr int kAhead = kRowsAhead<T, op, kWhole>;
    const WindowConstants<Scalar> k(image.plan.window, image.plan.table);
    if (y == held) {
      SALUS_UNROLL for (int i = 0; i < kPerThread; ++i) sum[i] = *weight * value[i];
      ++y;
      ++weight;
    }
    while (y + kAhead <= end) add_group<op, kPadding, kWhole, kAhead>(k, y, weight, sum);
    if constexpr (kAhead > 2) {
      if (y + 2 <= end) add_group<op, kPadding, kWhole, 2>(k, y, weight, sum);
    }
    if constexpr (kAhead > 1) {
      if (y < end) add_group<op, kPadding, kWhole, 1>(k, y, weight, sum);
    }
  }

  template <WindowOp op, bool kPadding>
  __device__ __forceinline__ void add_rows_of(int y, int end, const float* weight,
                                              float (&sum)[kPerThread]) {
    if (whole()) {
      add_rows_as<op, kPadding, true>(y, end, weight, sum);
    } else {
      add_rows_as<op, kPadding, false>(y, end, weight, sum);
    }
  }

  /// Every thread of the block takes the same branch. Without padding its range is empty; only the
  /// commonest window is worth a second version.
  __device__ __forceinline__ void add_rows(int y, int end, const float* weight,
                                           float (&sum)[kPerThread]) {
    const WindowOp op = image.plan.op;
    if (op == WindowOp::kClamp && image.plan.has_padding == 0) {
      add_rows_of<WindowOp::kClamp, false>(y, end, weight, sum);
    } else if (op == WindowOp::kClamp) {
      add_rows_of<WindowOp::kClamp, true>(y, end, weight, sum);
    } else if (op == WindowOp::kAffine) {
      add_rows_of<WindowOp::kAffine, true>(y, end, weight, sum);
    } else if (op == WindowOp::kSigmoid) {
      add_rows_of<WindowOp::kSigmoid, true>(y, end, weight, sum);
    } else {
      add_rows_of<WindowOp::kTable, true>(y, end, weight, sum);
    }
  }

  /// Output row `o` before the columns are resampled, to shared memory: this thread's elements of
  /// `to`, with Kahan's compensation in `lost` where one block of terms is not enough.
  __device__ __forceinline__ void resample_rows(int o, int lane, float* to, float* lost) {
    const int first = rows.first[o], begin = rows.begin[o];
    const int terms = rows.begin[o + 1] - begin;
    for (int done = 0; done < terms; done += kBlockTerms) {
      float sum[kPerThread] = {};
      const int end = done + kBlockTerms < terms ? done + kBlockTerms : terms;
      add_rows(first + done, first + end, rows.weight + begin + done, sum);
      SALUS_UNROLL for (int i = 0; i < kPerThread; ++i) {
        const int at = place(lane * kPerThread) + i;  // 32 is a multiple of kPerThread
        Total total;
        if (done > 0) total = {to[at], lost[at]};
        total.add(sum[i]);
        to[at] = total.sum;
        if (end < terms) lost[at] = total.lost;
      }
    }
    held = first + terms - 1;
  }
};

inline constexpr int kSharedFloats = kBlockElements + kBlockElements / 32;

/// Weighted sum of the elements of taps [k, end) of one column that are in [from, from + held).
__device__ __forceinline__ void add_columns(const float* line, int from, int held, int element,
                                            int step, const float* weight, int terms,
                                            Total& total) {
  for (int done = 0; done < terms; done += kBlockTerms) {
    const int end = done + kBlockTerms < terms ? done + kBlockTerms : terms;
    float sum = 0;
    for (int k = done; k < end; ++k) {
      const int i = element + k * step - from;
      if (i >= 0 && i < held) sum = fmaf(weight[k], line[place(i)], sum);
    }
    total.add(sum);
  }
}

template <class Out>
__device__ __forceinline__ void store_pixel(const DeviceBatch& batch, int image, int y, int x,
                                            const float (&value)[3], int components) {
  const OutputPlan& out = batch.output;
  float gray = value[0];
  if (components == 3) gray = luma<Scalar>(value[0], value[1], value[2]);
  SALUS_UNROLL for (int c = 0; c < 3; ++c) {
    if (c >= out.channels) return;
    const float v = components == 3 && out.channels == 3 ? value[c] : gray;
    const std::int64_t row = (std::int64_t{image} * out.channels + c) * out.height + y;
    static_cast<Out*>(out.data)[row * out.width + x] =
        from_float<Out>(fmaf(v, out.gain[c], out.bias[c]));
  }
}

/// The columns of the rows that the lines hold now. With more than one chunk the tile is one column
/// wide, one line is at work, and its first thread carries the sums from chunk to chunk.
template <class Out>
__device__ __forceinline__ void resample_columns(const DeviceBatch& batch, const DeviceImage& image,
                                                 int index, int row, int column, int from,
                                                 int chunk, const float* lines,
                                                 Total (&carried)[3]) {
  const TilePlan& tile = image.tile;
  const DeviceAxis columns = batch.axes[image.plan.column_axis];
  const int held = tile.lanes * kPerThread, components = image.plan.components;
  const int left = image.plan.width - column;
  const int width = left < tile.tile_width ? left : tile.tile_width;
  const int count = tile.lines * width;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads) {
    const int line = i / width, x = column + i % width;
    const int y = row + line * tile.repeat;
    if (y >= image.plan.height) continue;
    const int begin = columns.begin[x], terms = columns.begin[x + 1] - begin;
    float value[3] = {};
    SALUS_UNROLL for (int c = 0; c < 3; ++c) {
      if (c >= components) continue;
      Total total = chunk > 0 ? carried[c] : Total{};
      add_columns(lines + line * place(held), from, held, columns.first[x] * components + c,
                  components, columns.weight + begin, terms, total);
      carried[c] = total;
      value[c] = total.sum;
    }
    if (chunk + 1 < tile.chunks) continue;
    store_pixel<Out>(batch, index, image.plan.top + y, image.plan.left + x, value, components);
  }
}

template <class T, class Out>
__device__ __forceinline__ void resize_tile(const DeviceBatch& batch, int index, int tile_index,
                                            float* lines, float* lost) {
  const DeviceImage& image = batch.images[index];
  const TilePlan& tile = image.tile;
  const DeviceAxis rows = batch.axes[image.plan.row_axis];
  const int column = tile_index % tile.tiles_across * tile.tile_width;
  const int top = tile_index / tile.tiles_across * tile.lines * tile.repeat;
  const int my_line = static_cast<int>(threadIdx.x) / tile.lanes;
  const int lane = static_cast<int>(threadIdx.x) % tile.lanes;
  const int begin = batch.axes[image.plan.column_axis].first[column] * image.plan.components;
  const int start = begin - (begin + tile.phase) % kPerThread;
  const std::int64_t lowest = -(image.plan.box_offset % image.plan.row_stride);
  Line<T> line{image, rows, 0, lowest, lowest + image.plan.row_stride, {}, -1};
  Total carried[3];
  for (int r = 0; r < tile.repeat; ++r) {
    const int y = top + my_line * tile.repeat + r;
    for (int chunk = 0; chunk < tile.chunks; ++chunk) {
      const int from = start + chunk * kBlockElements;
      line.element = from + lane * kPerThread;
      if (tile.chunks > 1) line.held = -1;
      if (y < image.plan.height) {
        const int offset = my_line * place(tile.lanes * kPerThread);
        line.resample_rows(y, lane, lines + offset, lost + offset);
      }
      __syncthreads();
      resample_columns<Out>(batch, image, index, top + r, column, from, chunk, lines, carried);
      __syncthreads();
    }
  }
}

/// What the resized box leaves free of the output.
template <class Out>
__device__ __forceinline__ void fill_tile(const DeviceBatch& batch, int index, int tile_index) {
  const ImagePlan& image = batch.images[index].plan;
  const OutputPlan& out = batch.output;
  const std::int64_t pixels = std::int64_t{out.height} * out.width;
  const float pad[3] = {out.pad_value, out.pad_value, out.pad_value};
  for (int i = static_cast<int>(threadIdx.x); i < kBlockElements; i += kThreads) {
    const std::int64_t pixel = std::int64_t{tile_index} * kBlockElements + i;
    if (pixel >= pixels) return;
    const int y = static_cast<int>(pixel / out.width), x = static_cast<int>(pixel % out.width);
    const bool inside = y >= image.top && y < image.top + image.height && x >= image.left &&
                        x < image.left + image.width;
    if (!inside) store_pixel<Out>(batch, index, y, x, pad, 1);
  }
}

/// The image that tile `tile` of the launch belongs to.
__device__ __forceinline__ int find_image(const DeviceBatch& batch, int tile) {
  int low = 0, high = batch.count - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (batch.images[middle].tile.first_tile <= tile) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

/// Grid: batch.tiles blocks of kThreads. The minimum of two blocks a multiprocessor (32 KB of loads
/// in flight, enough for the memory's latency) is said because ptxas, left alone, spills for a
/// third.
template <class Out>
__global__ void __launch_bounds__(kThreads, 2) image_preprocess_kernel(const DeviceBatch batch) {
  SALUS_SHARED(float, lines, [kSharedFloats]);
  SALUS_SHARED(float, lost, [kSharedFloats]);
  const int index = find_image(batch, static_cast<int>(blockIdx.x));
  const DeviceImage& image = batch.images[index];
  const int tile = static_cast<int>(blockIdx.x) - image.tile.first_tile;
  if (tile >= image.tile.resize_tiles) {
    return fill_tile<Out>(batch, index, tile - image.tile.resize_tiles);
  }
  switch (image.plan.type) {
    case PixelType::kUint8:
      return resize_tile<std::uint8_t, Out>(batch, index, tile, lines, lost);
    case PixelType::kInt8:
      return resize_tile<std::int8_t, Out>(batch, index, tile, lines, lost);
    case PixelType::kUint16:
      return resize_tile<std::uint16_t, Out>(batch, index, tile, lines, lost);
    case PixelType::kInt16:
      return resize_tile<std::int16_t, Out>(batch, index, tile, lines, lost);
    case PixelType::kFloat32:
      return resize_tile<float, Out>(batch, index, tile, lines, lost);
  }
}

}  // namespace salus::kernels::preprocess
