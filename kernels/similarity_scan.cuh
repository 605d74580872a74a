#pragma once

#include "kernels/similarity_filter.cuh"
#include "kernels/similarity_tiles.cuh"

// One pass over the rows by mma.sync (sm_80 and later). Each block takes one tile of queries and
// one split of the rows; similarity_scan_plan.h has the whole picture.

namespace salus::kernels::similarity {

inline LaunchShape scan_shape(const ScanPlan& plan) {
  return {.grid = {static_cast<unsigned>(plan.tiles), static_cast<unsigned>(plan.splits)},
          .block = {kScanThreads},
          .shared_bytes = plan.shared_bytes};
}

#if defined(__CUDACC__) || defined(SALUS_SIMT)

/// The pipeline of one block: which chunk each step brings, and where it lies.
template <typename T, int kQueries, bool kExact>
struct ScanPipeline {
  const SimilarityProblem& problem;
  const ScanPlan& plan;
  const ScanMemory& memory;
  const ScanShared& shared;
  std::int64_t first_row;
  int steps;

  __device__ __forceinline__ unsigned char* stage(int step) const {
    const int lines = kTileRows + (plan.resident ? 0 : kQueries);
    return shared.stages + step % kStages * lines * kChunkBytes;
  }
  __device__ __forceinline__ const unsigned char* queries(int step, int chunk) const {
    return plan.resident ? shared.queries + chunk * kQueries * kChunkBytes
                         : stage(step) + kTileRows * kChunkBytes;
  }
  __device__ __forceinline__ void fetch_operands(int chunk, unsigned char* to) const {
    fetch_queries<kQueries>(memory.operands, plan.chunks, chunk, to, [&](int line) {
      return std::int64_t{kExact ? max(shared.which[line], 0)
                                 : static_cast<int>(blockIdx.x) * kQueries + line};
    });
  }
  /// Starts the copies of a step, or none beyond the last; one group in any case.
  __device__ __forceinline__ void fetch(int step) const {
    if (step < steps) {
      const int chunk = step % plan.chunks;
      fetch_rows<T>(problem.rows, plan, first_row + step / plan.chunks * kTileRows, chunk,
                    stage(step));
      if (!plan.resident) fetch_operands(chunk, stage(step) + kTileRows * kChunkBytes);
    }
    copy_async_commit();
  }
  __device__ __forceinline__ void start() const {
    for (int chunk = 0; plan.resident && chunk < plan.chunks; ++chunk) {
      fetch_operands(chunk, shared.queries + chunk * kQueries * kChunkBytes);
    }
    for (int step = 0; step < kStages - 1; ++step) fetch(step);
  }
};

/// lists and counts of each (query, split). T: the stored type; kExact: the second pass.
template <typename T, int kQueries, bool kExact>
__global__ void __launch_bounds__(kScanThreads, 1)
    similarity_scan_kernel(const __grid_constant__ SimilarityProblem problem,
                           const __grid_constant__ ScanPlan plan,
                           const __grid_constant__ ScanMemory memory) {
  using Tiles = WarpTiles<kQueries>;
  SALUS_DYNAMIC_SHARED(std::uint32_t, words);
  const ScanShared shared = scan_shared(reinterpret_cast<unsigned char*>(words), plan);
  ScanFilter<T, kQueries, kExact> filter{problem, plan, memory, shared};
  if (!filter.begin()) return;
  const std::int64_t first_row = blockIdx.y * plan.split_rows;
  const std::int64_t rows = min(plan.split_rows, problem.rows.count - first_row);
  const int tiles = static_cast<int>((rows + kTileRows - 1) / kTileRows);
  const ScanPipeline<T, kQueries, kExact> pipeline{problem, plan,      memory,
                                                   shared,  first_row, tiles * plan.chunks};
  pipeline.start();
  const int row_steps = (plan.row_bytes + 31) / 32;
  int step = 0;
  for (int tile = 0; tile < tiles; ++tile) {
    const std::int64_t tile_row = first_row + std::int64_t{tile} * kTileRows;
    const std::int64_t warp_row = tile_row + Tiles::first_row();
    typename MmaSum<T>::type sums[Tiles::kRowParts][Tiles::kColumnParts][4] = {};
    RowTerms terms[Tiles::kRowParts][2];
    filter.load_terms(warp_row, 16, terms);
    filter.set_limits(tile_row);
    for (int chunk = 0; chunk < plan.chunks; ++chunk, ++step) {
      copy_async_wait<kStages - 2>();
      __syncthreads();  // the chunk is there for all, and none reads the one before it any more
      pipeline.fetch(step + kStages - 1);
      multiply_chunk<T, kQueries>(pipeline.stage(step), pipeline.queries(step, chunk),
                                  row_steps - chunk * kChunkSteps, sums);
    }
    filter.offer(sums, terms, warp_row, 16, Tiles::first_column());
  }
  filter.finish();
}

#endif

}  // namespace salus::kernels::similarity
