#pragma once

#include "kernels/device_tensor.h"
#include "kernels/similarity_rescore.cuh"

// What a block does with the products in its registers: a threshold lets few pass to the candidates
// in shared memory, which are cut back when they are full. The same for every way to multiply: a
// thread has fragments of 16 x 8 as mma leaves them (device_tensor.h).

namespace salus::kernels::similarity {

#if defined(__CUDACC__) || defined(SALUS_SIMT)

/// The parts of a block's shared memory; arrays of one entry per query of the tile.
struct ScanShared {
  unsigned char* stages;   // kStages chunks
  unsigned char* queries;  // if resident: [chunks][query_tile][kChunkBytes]
  Key* keys;               // [query_tile][capacity]
  QueryState* states;
  float* limits;    // a selection value below this does not pass
  float* errors;    // e of the present tile's rows
  unsigned* least;  // order_of() the threshold
  int* counts;      // candidates; above capacity while some wait for room
  int* kept;        // second pass: how many of them are re-scored
  int* dropped;     // whether one was left out
  int* which;       // number of the query; -1 for none
};

__device__ __forceinline__ ScanShared scan_shared(unsigned char* memory, const ScanPlan& plan) {
  const int tile = plan.query_tile;
  ScanShared shared;
  shared.stages = memory;
  shared.queries = memory + kStages * (kTileRows + (plan.resident ? 0 : tile)) * kChunkBytes;
  const int resident = plan.resident ? plan.chunks * tile * kChunkBytes : 0;
  shared.keys = reinterpret_cast<Key*>(shared.queries + resident);
  shared.states = reinterpret_cast<QueryState*>(shared.keys + tile * plan.capacity);
  shared.limits = reinterpret_cast<float*>(shared.states + tile);
  shared.errors = shared.limits + tile;
  shared.least = reinterpret_cast<unsigned*>(shared.errors + tile);
  shared.counts = reinterpret_cast<int*>(shared.least + tile);
  shared.kept = shared.counts + tile;
  shared.dropped = shared.kept + tile;
  shared.which = shared.dropped + tile;
  return shared;
}

/// a and b of V = a P + b; 0 and -inf for a row that may not be found.
struct RowTerms {
  float a, b;
};

template <typename T, int kQueries, bool kExact>
struct ScanFilter {
  using Sum = typename MmaSum<T>::type;

  const SimilarityProblem& problem;
  const ScanPlan& plan;
  const ScanMemory& memory;
  const ScanShared& shared;
  unsigned seen = 0;  // the threshold that other blocks have reached, as read one tile ago

  /// Sets up the tile's queries; false if it has none. Ends with a barrier.
  __device__ __forceinline__ bool begin() {
    const std::int64_t total = kExact ? memory.chosen[0] : problem.queries;
    const std::int64_t first = std::int64_t{blockIdx.x} * kQueries;
    if (first >= total) return false;
    const int q = static_cast<int>(threadIdx.x);
    if (q < kQueries) {
      const bool there = first + q < total;
      int which = -1;
      if (there) which = kExact ? memory.chosen[1 + first + q] : static_cast<int>(first + q);
      shared.states[q] = there ? memory.states[which] : QueryState{};
      // A query that takes no part is as one that is not there.
      if (there && !(shared.states[q].norm >= 0)) which = -1;
      shared.which[q] = which;
      shared.least[q] = 0;
      shared.counts[q] = shared.kept[q] = shared.dropped[q] = 0;
      if (which >= 0) seen = load_relaxed(memory.thresholds + which);
    }
    __syncthreads();
    return true;
  }

  __device__ __forceinline__ RowTerms terms_of(std::int64_t row) const {
    constexpr RowTerms kNothing{0, -kInfinity};
    const SimilarityRows& rows = problem.rows;
    if (row >= rows.count) return kNothing;
    if (problem.mask != nullptr && problem.mask_stride == 0 && !allowed(problem.mask, row)) {
      return kNothing;
    }
    const float a = __ldg(rows.multipliers + row);
    if (!(a == a)) return kNothing;
    return {a, rows.l2 ? __ldg(rows.offsets + row) : 0.0f};
  }

  static __device__ __forceinline__ bool allowed(const std::uint64_t* mask, std::int64_t row) {
    return (__ldg(mask + row / 64) >> (row % 64) & 1) != 0;
  }

  /// Those of the thread's rows: fragment i begins at first_row + i * stride.
  template <int kParts>
  __device__ __forceinline__ void load_terms(std::int64_t first_row, int stride,
                                             RowTerms (&terms)[kParts][2]) const {
    SALUS_UNROLL
    for (int i = 0; i < kParts; ++i) {
      const std::int64_t row = first_row + i * stride + lane_id() / 4;
      terms[i][0] = terms_of(row);
      terms[i][1] = terms_of(row + 8);
    }
  }

  /// Thresholds for the tile of rows at `row`; the next barrier shows them to all.
  __device__ __forceinline__ void set_limits(std::int64_t row) {
    const int q = static_cast<int>(threadIdx.x);
    if (q >= kQueries) return;
    const int which = shared.which[q];
    if (which < 0) {
      shared.limits[q] = kInfinity;
      return;
    }
    const SimilarityBlockBounds* bounds = problem.rows.bounds + row / kSimilarityBlock;
    const float e =
        similarity_error(shared.states[q].bounds, operand_bounds<T>(problem.rows, *bounds));
    const unsigned least = max(shared.least[q], seen);
    const float value = value_of(least);
    shared.least[q] = least;
    shared.errors[q] = e;
    shared.limits[q] = (value - e) - 0x1p-20f * (fabsf(value) + e);
    seen = load_relaxed(memory.thresholds + which);
  }

  __device__ __forceinline__ float product_of(Sum sum, int q) const {
    if constexpr (sizeof(T) == 1) return __fmul_rn(static_cast<float>(sum), shared.states[q].scale);
    if constexpr (std::is_same_v<T, Half>) return sum * shared.states[q].scale;
    return static_cast<float>(sum);
  }

  /// Offers the thread's sums of a tile to the candidates. Ends with a barrier.
  template <int kParts, int kColumns>
  __device__ __forceinline__ void offer(const Sum (&sums)[kParts][kColumns][4],
                                        const RowTerms (&terms)[kParts][2], std::int64_t first_row,
                                        int stride, int first_column) {
    static_assert(kParts * kColumns * 4 <= 32, "one bit per sum");
    unsigned pending = 0;
    SALUS_UNROLL
    for (int j = 0; j < kColumns; ++j) {
      SALUS_UNROLL
      for (int c = 0; c < 2; ++c) {
        const int q = first_column + 8 * j + lane_id() % 4 * 2 + c;
        const float limit = shared.limits[q];
        SALUS_UNROLL
        for (int i = 0; i < kParts; ++i) {
          SALUS_UNROLL
          for (int h = 0; h < 2; ++h) {
            const float product = product_of(sums[i][j][2 * h + c], q);
            const float value = fmaf(terms[i][h].a, product, terms[i][h].b);
            // A NaN (of an overflow) passes: what it stands for is not known.
            if (!(value < limit)) pending |= 1u << ((i * kColumns + j) * 4 + 2 * h + c);
          }
        }
      }
    }
    while (true) {
      if (pending != 0) pending = append(pending, sums, first_row, stride, first_column);
      if (__syncthreads_or(pending != 0 ? 1 : 0) == 0) break;
      make_room();
      __syncthreads();
    }
  }

  /// Takes the sums whose bits are set as candidates; returns the bits of those for which there was
  /// no room. Seldom run, so the rows' terms are read again rather than chosen among registers.
  template <int kParts, int kColumns>
  __device__ inline unsigned append(unsigned pending, const Sum (&sums)[kParts][kColumns][4],
                                    std::int64_t first_row, int stride, int first_column) {
    unsigned left = 0;
    for (; pending != 0; pending &= pending - 1) {
      const int bit = __ffs(static_cast<int>(pending)) - 1;
      Sum sum{};
      SALUS_UNROLL
      for (int n = 0; n < kParts * kColumns * 4; ++n) {
        if (n == bit) sum = sums[n / 4 / kColumns][n / 4 % kColumns][n % 4];
      }
      const int part = bit / 4;
      const int q = first_column + part % kColumns * 8 + lane_id() % 4 * 2 + bit % 2;
      const std::int64_t row =
          first_row + part / kColumns * stride + lane_id() / 4 + bit / 2 % 2 * 8;
      if (!take(q, row, product_of(sum, q))) left |= 1u << bit;
    }
    return left;
  }

  /// False if there was no room.
  __device__ __forceinline__ bool take(int q, std::int64_t row, float product) {
    const int which = shared.which[q];
    const RowTerms terms = terms_of(row);
    if (which < 0 || terms.b == -kInfinity) return true;
    // + 0: a zero is +0, which the order of bits then agrees with.
    float most = fmaf(terms.a, product, terms.b) + shared.errors[q] + 0.0f;
    if (!(most == most)) most = kInfinity;
    if (order_of(most) < shared.least[q]) return true;
    if (problem.exclude != nullptr && __ldg(problem.exclude + which) == row) return true;
    if (problem.mask != nullptr && problem.mask_stride != 0 &&
        !allowed(problem.mask + which * problem.mask_stride, row)) {
      return true;
    }
    const int at = atomicAdd(shared.counts + q, 1);
    if (at >= plan.capacity) return false;
    shared.keys[q * plan.capacity + at] = key_of(most, static_cast<unsigned>(row));
    return true;
  }

  /// Cuts the lists that are more than half full, one warp per list. Between barriers.
  __device__ inline void make_room() {
    for (int q = static_cast<int>(threadIdx.x / kWarp); q < kQueries; q += kScanThreads / 32) {
      const int n = min(shared.counts[q], plan.capacity);
      __syncwarp();
      if (n > plan.keep + (plan.capacity - plan.keep) / 2) {
        cut(q, n, kExact ? 0 : (plan.capacity - plan.keep) / 4);
      } else if (lane_id() == 0) {
        shared.counts[q] = n;
      }
      __syncwarp();
    }
  }

  /// Cuts a list of n back to the best and raises the threshold, here and for other blocks.
  __device__ inline void cut(int q, int n, int slack) {
    Key* keys = shared.keys + q * plan.capacity;
    const int which = shared.which[q];
    if (kExact) n = rescore(q, n, keys, which);
    Key threshold = 0;
    const int left = warp_cut(keys, n, plan.keep, slack, threshold);
    unsigned least = 0;
    if (kExact && left == plan.keep) {
      least = order_of(standing_below(problem.rows, shared.states[q], worst(keys, left)));
    } else if (!kExact && left < n) {
      least = key_order(threshold);
    }
    __syncwarp();
    if (lane_id() != 0) return;
    shared.counts[q] = shared.kept[q] = left;
    if (left < n) shared.dropped[q] = 1;
    if (least > shared.least[q]) {
      shared.least[q] = max(least, atomicMax(memory.thresholds + which, least));
    }
  }

  /// Gives the candidates that are not yet re-scored their documented scores; drops those that have
  /// none. Returns how many are left.
  __device__ inline int rescore(int q, int n, Key* keys, int which) {
    const float* query = problem.query + std::int64_t{which} * problem.rows.dim;
    for (int i = shared.kept[q]; i < n; ++i) {
      const unsigned row = key_row(keys[i]);
      const float score = warp_score<T>(problem.rows, query, shared.states[q].norm, row);
      __syncwarp();
      if (lane_id() == 0) keys[i] = similarity_can_rank(score) ? key_of(score, row) : 0;
    }
    __syncwarp();
    return warp_keep_from(keys, n, 1);
  }

  static __device__ inline float worst(const Key* keys, int n) {
    unsigned least = 0xffffffffu;
    for (int i = lane_id(); i < n; i += kWarp) least = min(least, key_order(keys[i]));
    return value_of(__reduce_min_sync(kAllLanes, least));
  }

  /// Writes the lists. After the last offer() or begin().
  __device__ inline void finish() {
    for (int q = static_cast<int>(threadIdx.x / kWarp); q < kQueries; q += kScanThreads / 32) {
      const std::int64_t first = std::int64_t{blockIdx.x} * kQueries + q;
      if (first >= (kExact ? memory.chosen[0] : problem.queries)) continue;
      // The second pass writes by place among the chosen: so few lists are touched.
      const std::int64_t place = first * plan.splits + blockIdx.y;
      Key* keys = shared.keys + q * plan.capacity;
      if (shared.which[q] >= 0) {
        const int n = min(shared.counts[q], plan.capacity);
        __syncwarp();
        cut(q, n, 0);
        __syncwarp();
      }
      const int n = shared.counts[q];
      for (int i = lane_id(); i < n; i += kWarp) memory.lists[place * plan.keep + i] = keys[i];
      if (lane_id() == 0) memory.counts[place] = n + (shared.dropped[q] != 0 ? kDropped : 0);
    }
  }
};

#endif

}  // namespace salus::kernels::similarity
