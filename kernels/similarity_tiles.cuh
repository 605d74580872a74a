#pragma once

#include "kernels/device_tensor.h"
#include "kernels/similarity_scan_plan.h"

// From rows in global memory to products in registers: a pipeline of kStages chunks in shared
// memory. A chunk is kChunkBytes of kTileRows rows (and of the queries, if those are not resident),
// 16-byte words w of line r at word w ^ r % 8: rows of a matrix of ldmatrix then lie in different
// banks, as do the words that 8 lanes copy.

namespace salus::kernels::similarity {

#if defined(__CUDACC__) || defined(SALUS_SIMT)

inline constexpr int kLineWords = kChunkBytes / 16;
inline constexpr int kChunkSteps = kChunkBytes / 32;  // mma's along k

/// How the warps of a block share a tile of kTileRows x kQueries: kRowWarps along the rows, the
/// rest along the queries; each has kRowParts x kColumnParts fragments of 16 x 8.
template <int kQueries>
struct WarpTiles {
  static constexpr int kWarps = kScanThreads / static_cast<int>(kWarp);
  static constexpr int kRowWarps = kQueries == kManyQueries ? 4 : 8;
  static constexpr int kColumnWarps = kWarps / kRowWarps;
  static constexpr int kRowParts = kTileRows / 16 / kRowWarps;
  static constexpr int kColumnParts = kQueries / 8 / kColumnWarps;

  static __device__ __forceinline__ int warp() { return static_cast<int>(threadIdx.x / kWarp); }
  static __device__ __forceinline__ int first_row() { return warp() % kRowWarps * kRowParts * 16; }
  static __device__ __forceinline__ int first_column() {
    return warp() / kRowWarps * kColumnParts * 8;
  }
};

/// The byte of a chunk where 16-byte word `word` of line `line` lies.
__device__ __forceinline__ int swizzled(int line, int word) {
  return line * kChunkBytes + (word ^ line % 8) * 16;
}

/// One 16-byte word of a row, from rows that cannot be read by 16 bytes.
template <typename T>
__device__ __forceinline__ Pack<T, kPer128<T>> gather_word(const T* row, int first, int dim) {
  Pack<T, kPer128<T>> pack;
  SALUS_UNROLL
  for (int i = 0; i < kPer128<T>; ++i) pack.v[i] = first + i < dim ? row[first + i] : T{};
  return pack;
}

/// Starts to bring chunk `chunk` of the rows [first_row, first_row + kTileRows) to `stage`; zeros
/// beyond the rows and beyond their ends.
template <typename T>
__device__ __forceinline__ void fetch_rows(const SimilarityRows& rows, const ScanPlan& plan,
                                           std::int64_t first_row, int chunk,
                                           unsigned char* stage) {
  const auto* stored = static_cast<const T*>(rows.stored);
  SALUS_UNROLL
  for (int i = 0; i < kTileRows * kLineWords / kScanThreads; ++i) {
    const int index = i * kScanThreads + static_cast<int>(threadIdx.x);
    const int line = index / kLineWords;
    const int word = index % kLineWords;
    const std::int64_t row = first_row + line;
    const int byte = chunk * kChunkBytes + word * 16;
    const bool there = row < rows.count && byte < plan.row_bytes;
    unsigned char* to = stage + swizzled(line, word);
    const T* from = stored + (there ? row * rows.dim : 0);
    if (plan.vectors) {
      copy_async16(to, from + (there ? byte / static_cast<int>(sizeof(T)) : 0), there);
    } else {
      const int first = byte / static_cast<int>(sizeof(T));
      store128(reinterpret_cast<T*>(to), gather_word(from, first, there ? rows.dim : 0));
    }
  }
}

/// The same for kQueries lines of operands; `line_of(i)` gives the line's place among all queries.
template <int kQueries, typename LineOf>
__device__ __forceinline__ void fetch_queries(const unsigned char* operands, int chunks, int chunk,
                                              unsigned char* to, LineOf line_of) {
  for (int index = static_cast<int>(threadIdx.x); index < kQueries * kLineWords;
       index += kScanThreads) {
    const int line = index / kLineWords;
    const int word = index % kLineWords;
    const unsigned char* from = operands + (line_of(line) * chunks + chunk) * kChunkBytes;
    copy_async16(to + swizzled(line, word), from + word * 16);
  }
}

/// Adds the products of one chunk's first `steps` * 32 bytes.
template <typename T, int kQueries>
__device__ __forceinline__ void multiply_chunk(
    const unsigned char* rows, const unsigned char* queries, int steps,
    typename MmaSum<T>::type (
        &sums)[WarpTiles<kQueries>::kRowParts][WarpTiles<kQueries>::kColumnParts][4]) {
  using Tiles = WarpTiles<kQueries>;
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  const int row = Tiles::first_row() + lane % 16;
  const int column = Tiles::first_column() + lane / 16 * 8 + lane % 8;
  SALUS_UNROLL
  for (int step = 0; step < kChunkSteps; ++step) {
    if (step >= steps) break;
    std::uint32_t a[Tiles::kRowParts][4];
    SALUS_UNROLL
    for (int i = 0; i < Tiles::kRowParts; ++i) {
      ldmatrix(a[i], rows + swizzled(row + 16 * i, 2 * step + lane / 16));
      if constexpr (sizeof(T) == 4) {
        for (int r = 0; r < 4; ++r) a[i][r] = round_to_tf32(a[i][r]);
      }
    }
    const int word = 2 * step + lane / 8 % 2;
    if constexpr (Tiles::kColumnParts == 1) {
      std::uint32_t b[2];
      ldmatrix(b, queries + swizzled(column % 8, word));
      for (int i = 0; i < Tiles::kRowParts; ++i) mma<T>(sums[i][0], a[i], b);
    } else {
      SALUS_UNROLL
      for (int j = 0; j < Tiles::kColumnParts; j += 2) {
        std::uint32_t pair[4];
        ldmatrix(pair, queries + swizzled(column + 8 * j, word));
        const std::uint32_t left[2] = {pair[0], pair[1]};
        const std::uint32_t right[2] = {pair[2], pair[3]};
        SALUS_UNROLL
        for (int i = 0; i < Tiles::kRowParts; ++i) {
          mma<T>(sums[i][j], a[i], left);
          mma<T>(sums[i][j + 1], a[i], right);
        }
      }
    }
  }
}

#endif

}  // namespace salus::kernels::similarity
