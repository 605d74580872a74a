#pragma once

#include "kernels/similarity_rescore.cuh"

// The splits' lists of one query -> its result, one block per query.

namespace salus::kernels::similarity {

inline LaunchShape merge_shape(std::int64_t queries, std::size_t shared_bytes) {
  return {.grid = {static_cast<unsigned>(queries)},
          .block = {kMergeThreads},
          .shared_bytes = shared_bytes};
}

#if defined(__CUDACC__) || defined(SALUS_SIMT)

/// Reads every kMergeWarps-th list and keeps the best in keys[0 .. keep + 2 kRoom). Returns how
/// many, at most `keep`, and in `dropped` whether one was left out here or in a split.
__device__ inline int merge_lists(const ScanPlan& plan, const ScanMemory& memory,
                                  std::int64_t query, Key* keys, bool& dropped) {
  const int room = plan.keep + 2 * kRoom;
  Key threshold = 0;
  int size = 0;
  for (int split = static_cast<int>(threadIdx.x / kWarp); split < plan.splits;
       split += kMergeWarps) {
    const std::int64_t place = query * plan.splits + split;
    const int count = memory.counts[place];
    const int n = count & (kDropped - 1);
    dropped = dropped || count != n;
    const Key* list = memory.lists + place * plan.keep;
    for (int begin = 0; begin < n; begin += kWarp) {
      const int i = begin + lane_id();
      const Key key = i < n ? list[i] : 0;
      const unsigned vote = __ballot_sync(kAllLanes, key > threshold ? 1 : 0);
      if (key > threshold) keys[size + __popc(vote & ((1u << lane_id()) - 1))] = key;
      size += __popc(vote);
      __syncwarp();
      if (size <= room - kRoom) continue;
      size = warp_cut(keys, size, plan.keep, kRoom / 2, threshold);
      dropped = true;
    }
  }
  const int left = warp_cut(keys, size, plan.keep, 0, threshold);
  dropped = dropped || left < size;
  return left;
}

/// Moves the warps' lists together to the front and cuts them back to the best. One warp.
__device__ inline int join_lists(Key* keys, const int* sizes, int room, int keep, bool& dropped) {
  int total = sizes[0];
  for (int w = 1; w < kMergeWarps; ++w) {
    for (int begin = 0; begin < sizes[w]; begin += kWarp) {
      const int i = begin + lane_id();
      const Key key = i < sizes[w] ? keys[w * room + i] : 0;
      __syncwarp();
      if (i < sizes[w]) keys[total + i] = key;
      __syncwarp();
    }
    total += sizes[w];
  }
  Key threshold = 0;
  const int left = warp_cut(keys, total, keep, 0, threshold);
  dropped = dropped || left < total;
  return left;
}

/// Writes the list in order; the keys are distinct, so each finds its own place. Returns in
/// `last` the k-th key, by the thread that holds it, and fills what is left over.
__device__ inline void write_list(const SimilarityProblem& problem, std::int64_t query,
                                  const Key* keys, int n, Key* last) {
  float* scores = problem.scores + query * problem.k;
  std::int64_t* ids = problem.ids + query * problem.k;
  for (int i = static_cast<int>(threadIdx.x); i < n; i += kMergeThreads) {
    const Key key = keys[i];
    int rank = 0;
    for (int other = 0; other < n; ++other) rank += keys[other] > key ? 1 : 0;
    if (key == 0 || rank >= problem.k) continue;
    scores[rank] = key_value(key);
    ids[rank] = key_row(key);
    if (rank == problem.k - 1) *last = key;
  }
  int ranked = 0;
  for (int i = 0; i < n; ++i) ranked += keys[i] != 0 ? 1 : 0;
  for (int rank = ranked + static_cast<int>(threadIdx.x); rank < problem.k; rank += kMergeThreads) {
    scores[rank] = -kInfinity;
    ids[rank] = -1;
  }
}

/// What the lists, cut off at `cutoff`, prove about the result whose k-th key is `last` (0: none).
__device__ inline void certify(const SimilarityProblem& problem, const ScanMemory& memory,
                               std::int64_t query, bool dropped, float cutoff, Key last) {
  const QueryState& state = memory.states[query];
  const float score = key_value(last);  // -inf if there are fewer than k
  const float standing = standing_below(problem.rows, state, score);
  const bool certain = !dropped || cutoff < standing;
  problem.certain[query] = certain;
  problem.bound[query] = certain ? 0.0f : excess_above(problem.rows, state, cutoff, score);
  memory.thresholds[query] = last == 0 ? 0 : order_of(standing);
}

/// Result of the first pass (candidates are re-scored, and the certificate written), or with kExact
/// that of the second (lists are exact, for the chosen queries only; T does not matter then).
template <typename T, bool kExact>
__global__ void __launch_bounds__(kMergeThreads)
    similarity_merge_kernel(const __grid_constant__ SimilarityProblem problem,
                            const __grid_constant__ ScanPlan plan,
                            const __grid_constant__ ScanMemory memory) {
  SALUS_DYNAMIC_SHARED(Key, keys);  // [kMergeWarps][keep + 2 kRoom]
  SALUS_SHARED(int, sizes, [kMergeWarps]);
  SALUS_SHARED(int, left_out, [1]);
  SALUS_SHARED(Key, last, [1]);
  if (kExact && static_cast<int>(blockIdx.x) >= memory.chosen[0]) return;
  const std::int64_t query = kExact ? memory.chosen[1 + blockIdx.x] : blockIdx.x;
  const int warp = static_cast<int>(threadIdx.x / kWarp);
  const int room = plan.keep + 2 * kRoom;
  bool dropped = false;
  const int size = merge_lists(plan, memory, blockIdx.x, keys + warp * room, dropped);
  if (lane_id() == 0) sizes[warp] = size;
  const bool any_dropped = __syncthreads_or(dropped ? 1 : 0) != 0;
  if (warp == 0) {
    dropped = any_dropped;
    const int joined = join_lists(keys, sizes, room, plan.keep, dropped);
    __syncwarp();
    if (lane_id() == 0) {
      sizes[0] = joined;
      left_out[0] = dropped ? 1 : 0;
      last[0] = 0;
    }
  }
  __syncthreads();
  const int n = sizes[0];
  unsigned least = 0xffffffffu;
  if (!kExact) {
    for (int i = lane_id(); i < n; i += kWarp) least = min(least, key_order(keys[i]));
    least = __reduce_min_sync(kAllLanes, least);
    __syncthreads();
    const float* values = problem.query + query * problem.rows.dim;
    const float norm = memory.states[query].norm;
    for (int i = warp; i < n; i += kMergeWarps) {
      const unsigned row = key_row(keys[i]);
      const float score = warp_score<T>(problem.rows, values, norm, row);
      __syncwarp();
      if (lane_id() == 0) keys[i] = similarity_can_rank(score) ? key_of(score, row) : 0;
    }
    __syncthreads();
  }
  write_list(problem, query, keys, n, last);
  __syncthreads();
  if (threadIdx.x != 0) return;
  if (!kExact) {
    certify(problem, memory, query, left_out[0] != 0, value_of(least), last[0]);
  } else {
    problem.certain[query] = true;
    problem.bound[query] = 0;
  }
}

#endif

}  // namespace salus::kernels::similarity
