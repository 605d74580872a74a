#pragma once

#include "kernels/device_hopper.h"
#include "kernels/similarity_filter.cuh"
#include "kernels/similarity_tiles.cuh"

// The first pass over the rows on sm_90a: rows by the tensor memory accelerator, products by wgmma,
// everything after the products as in similarity_scan.cuh.
//
// State: compiled and held to the machine-code gate, but NOT YET RUN on a device, and the emulator
// has no wgmma. It is therefore taken on request only (similarity_wgmma_cuda.h).

namespace salus::kernels::similarity {

inline constexpr std::size_t kSwizzleAlignment = 1024;

/// For plans of kManyQueries, resident, with rows that can be read by 16 bytes, Half or BFloat16.
inline LaunchShape wgmma_shape(const ScanPlan& plan) {
  return {.grid = {static_cast<unsigned>(plan.tiles), static_cast<unsigned>(plan.splits)},
          .block = {kScanThreads},
          .shared_bytes = plan.shared_bytes + kSwizzleAlignment};
}

#if defined(__CUDACC__)

/// One block's chunks of rows: step s lies in stage s % kStages, and its barrier's phase is s / kStages.
template <typename T>
struct TensorPipeline {
  const ScanPlan& plan;
  const TensorMap& map;
  const ScanShared& shared;
  std::uint64_t* barriers;
  std::int64_t first_row;
  int steps;

  __device__ __forceinline__ unsigned char* stage(int step) const {
    return shared.stages + step % kStages * (kTileRows * kChunkBytes);
  }
  /// By one thread, when no warp reads the stage any more.
  __device__ __forceinline__ void fetch(int step) const {
    if (step >= steps) return;
    std::uint64_t* barrier = barriers + step % kStages;
    copy_barrier_expect(barrier, kTileRows * kChunkBytes);
    const int column = step % plan.chunks * (kChunkBytes / static_cast<int>(sizeof(T)));
    copy_tensor_box(stage(step), &map, column,
                    static_cast<int>(first_row + step / plan.chunks * kTileRows), barrier);
  }
  __device__ __forceinline__ void wait(int step) const {
    copy_barrier_wait(barriers + step % kStages, static_cast<unsigned>(step / kStages) & 1);
  }
};

/// The products of one tile of rows by the block's two warpgroups, 64 rows each. In every step the
/// stage of the step before, whose products are then done, is filled again.
template <typename T>
__device__ __forceinline__ void multiply_tile(const TensorPipeline<T>& pipeline, int& step,
                                              float (&sums)[1][8][4]) {
  const int warpgroup = static_cast<int>(threadIdx.x / (4 * kWarp));
  for (int chunk = 0; chunk < pipeline.plan.chunks; ++chunk, ++step) {
    pipeline.wait(step);
    const unsigned char* rows = pipeline.stage(step) + warpgroup * 64 * kChunkBytes;
    const unsigned char* queries = pipeline.shared.queries + chunk * kManyQueries * kChunkBytes;
    warpgroup_begin();
    SALUS_UNROLL
    for (int k = 0; k < kChunkSteps; ++k) {
      warpgroup_mma<T>(sums[0], swizzled_matrix(rows, k), swizzled_matrix(queries, k));
    }
    warpgroup_commit();
    warpgroup_wait<1>();
    __syncthreads();
    if (threadIdx.x == 0 && step > 0) pipeline.fetch(step - 1 + kStages);
  }
  warpgroup_wait<0>();
}

/// As similarity_scan_kernel<T, kManyQueries, false>. `map` is that of the stored rows, with boxes of
/// kTileRows x kChunkBytes in the 128-byte swizzle.
template <typename T>
__global__ void __launch_bounds__(kScanThreads, 1)
    similarity_wgmma_kernel(const __grid_constant__ SimilarityProblem problem,
                            const __grid_constant__ ScanPlan plan,
                            const __grid_constant__ ScanMemory memory,
                            const __grid_constant__ TensorMap map) {
  if constexpr (!kHasWarpgroups<T>) {
    __trap();
  } else {
    SALUS_DYNAMIC_SHARED(unsigned char, bytes);
    SALUS_SHARED(std::uint64_t, barriers, [kStages]);
    const unsigned past = shared_address(bytes) % kSwizzleAlignment;
    const ScanShared shared =
        scan_shared(bytes + (kSwizzleAlignment - past) % kSwizzleAlignment, plan);
    ScanFilter<T, kManyQueries, false> filter{problem, plan, memory, shared};
    if (threadIdx.x < kStages) copy_barrier_init(barriers + threadIdx.x);
    if (!filter.begin()) return;
    for (int chunk = 0; chunk < plan.chunks; ++chunk) {
      fetch_queries<kManyQueries>(
          memory.operands, plan.chunks, chunk, shared.queries + chunk * kManyQueries * kChunkBytes,
          [&](int line) { return std::int64_t{blockIdx.x} * kManyQueries + line; });
    }
    copy_async_commit();
    const std::int64_t first_row = blockIdx.y * plan.split_rows;
    const std::int64_t rows = min(plan.split_rows, problem.rows.count - first_row);
    const int tiles = static_cast<int>((rows + kTileRows - 1) / kTileRows);
    const TensorPipeline<T> pipeline{plan, map, shared, barriers, first_row, tiles * plan.chunks};
    for (int step = 0; threadIdx.x == 0 && step < kStages; ++step) pipeline.fetch(step);
    copy_async_wait<0>();
    fence_async_proxy();
    __syncthreads();
    const int warp_row = static_cast<int>(threadIdx.x / kWarp) * 16;
    int step = 0;
    for (int tile = 0; tile < tiles; ++tile) {
      const std::int64_t tile_row = first_row + std::int64_t{tile} * kTileRows;
      float sums[1][8][4] = {};
      RowTerms terms[1][2];
      filter.load_terms(tile_row + warp_row, 16, terms);
      filter.set_limits(tile_row);
      multiply_tile(pipeline, step, sums);
      filter.offer(sums, terms, tile_row + warp_row, 16, 0);
    }
    filter.finish();
  }
}

#endif

}  // namespace salus::kernels::similarity
