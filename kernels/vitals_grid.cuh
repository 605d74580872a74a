#pragma once

#include "kernels/device.h"
#include "kernels/vitals_grid_math.h"

// One block per stay (and 64 variables), one warp per variable at a time, one lane per bin of a
// tile of 32. The warp looks through the stay's events 32 at a time, picks out those of its
// variable by a ballot and hands each to the lane of its bin, in the order of the rows: no atomics,
// one result. Forward fill and delta are the highest set bit of a ballot. The tile goes through
// shared memory, so that the writes to memory run along the variables.

namespace salus::kernels {

inline constexpr int kGridWarps = 8;
inline constexpr int kGridThreads = kGridWarps * 32;
inline constexpr int kGridVariables = 64;  // of a block, at most
inline constexpr int kGridBins = 32;       // of a tile

/// Floats between two bins of a tile: odd, so that the 32 lanes of a warp meet 32 banks.
SALUS_HD int grid_pitch(int variables) { return variables | 1; }

inline LaunchShape vitals_grid_shape(const GridBatch& batch) {
  const int here = batch.variables < kGridVariables ? batch.variables : kGridVariables;
  const auto groups =
      static_cast<unsigned>((batch.variables + kGridVariables - 1) / kGridVariables);
  return {.grid = {static_cast<unsigned>(batch.stays), groups},
          .block = {kGridThreads},
          .shared_bytes = sizeof(float) * 3 * kGridBins * grid_pitch(here)};
}

/// What a variable takes from one tile to the next.
struct GridCarry {
  float value = 0;
  std::int32_t last = -1;  ///< latest bin with an event; -1: none yet
  std::int32_t counts[3] = {0, 0, 0};
};

/// What the block knows of its stay.
struct GridStay {
  std::int64_t begin, end;  ///< rows
  std::int32_t length;
  bool in_order;  ///< by time
};

/// Looks at all times of the stay once. `latest` is shared, one per warp.
__device__ __forceinline__ GridStay survey_stay(const GridBatch& batch, const GridArrays& arrays,
                                                std::int32_t* latest) {
  const std::int64_t stay = blockIdx.x;
  GridStay found;
  found.begin = arrays.offsets[stay];
  found.end = arrays.offsets[stay + 1];
  // The host cannot look at them without waiting; a wrong one must not lead outside of the arrays.
  if (found.begin < 0) found.begin = 0;
  if (found.end > batch.events) found.end = batch.events;
  bool in_order = true;
  std::int32_t last = kNoSecond;
  for (std::int64_t e = found.begin + threadIdx.x; e < found.end; e += blockDim.x) {
    const std::int64_t time = load_time(batch, arrays, e);
    const std::int32_t second = whole_seconds(time);
    last = last < second ? second : last;
    in_order = in_order && second != kNoSecond;
    if (e + 1 < found.end) {
      in_order = in_order && time_order(time) <= time_order(load_time(batch, arrays, e + 1));
    }
  }
  last = warp_max(last);
  if (threadIdx.x % kWarp == 0) latest[threadIdx.x / kWarp] = last;
  found.in_order = __syncthreads_and(in_order) != 0;
  if (arrays.given_length != nullptr) {
    const std::int64_t given = arrays.given_length[stay];
    const std::int64_t most = given < batch.steps ? given : batch.steps;
    found.length = static_cast<std::int32_t>(most < 0 ? 0 : most);
    return found;
  }
  for (int warp = 0; warp < kGridWarps; ++warp) last = last < latest[warp] ? latest[warp] : last;
  const std::uint32_t bins =
      last < 0
          ? 0
          : static_cast<std::uint32_t>(last) / static_cast<std::uint32_t>(batch.step_seconds) + 1;
  const auto steps = static_cast<std::uint32_t>(batch.steps);
  found.length = static_cast<std::int32_t>(bins < steps ? bins : steps);
  return found;
}

/// First row of [first, end), in order of time, at or after `second`.
__device__ __forceinline__ std::int64_t first_row_at(const GridBatch& batch,
                                                     const GridArrays& arrays, std::int64_t first,
                                                     std::int64_t end, std::int32_t second) {
  while (first < end) {
    const std::int64_t middle = first + (end - first) / 2;
    if (whole_seconds(load_time(batch, arrays, middle)) < second) {
      first = middle + 1;
    } else {
      end = middle;
    }
  }
  return first;
}

/// The cell of bin `first_bin + lane` from the rows [begin, end); counts the rows if asked to.
__device__ __forceinline__ GridCell gather_cell(const GridBatch& batch, const GridArrays& arrays,
                                                const GridColumn& column, std::int32_t variable,
                                                const GridStay& stay, std::int64_t begin,
                                                std::int64_t end, std::int32_t first_bin,
                                                bool count, std::int32_t (&counts)[3]) {
  const auto lane = static_cast<std::int32_t>(threadIdx.x % kWarp);
  const auto step = static_cast<std::uint32_t>(batch.step_seconds);
  GridCell cell;
  for (std::int64_t row = begin; row < end; row += kWarp) {
    const std::int64_t e = row + lane;
    const bool mine = e < end && load_variable(batch, arrays, e) == variable;
    const unsigned found = __ballot_sync(kAllLanes, mine);
    if (found == 0) continue;
    float value = 0;
    std::int64_t order = 0;
    std::int32_t bin = -1;
    if (mine) {
      const std::int64_t time = load_time(batch, arrays, e);
      const std::int32_t second = whole_seconds(time);
      value = arrays.value[e];
      order = time_order(time);
      const std::uint32_t at = static_cast<std::uint32_t>(second) / step;
      if (second >= 0 && at < static_cast<std::uint32_t>(stay.length)) {
        bin = static_cast<std::int32_t>(at);
      }
    }
    const bool plausible = mine && is_plausible(column, value);
    if (count) {
      const int good = __popc(__ballot_sync(kAllLanes, plausible));
      const int used = __popc(__ballot_sync(kAllLanes, plausible && bin >= 0));
      counts[0] += used;
      counts[1] += __popc(found) - good;
      counts[2] += good - used;
    }
    bin -= first_bin;
    unsigned pending = __ballot_sync(kAllLanes, plausible && bin >= 0 && bin < kGridBins);
    while (pending != 0) {
      const int source = __ffs(static_cast<int>(pending)) - 1;
      pending &= pending - 1;
      const std::int32_t to = __shfl_sync(kAllLanes, bin, source);
      const float next = __shfl_sync(kAllLanes, value, source);
      const std::int64_t next_order = __shfl_sync(kAllLanes, order, source);
      if (to == lane) cell.add(column.aggregate, next, next_order);
    }
  }
  return cell;
}

/// Value, mask and delta of one cell.
struct GridResult {
  float value = 0, mask = 0, delta = 0;
};

/// The results of the tile's bins, a lane each, and what the next tile must know.
__device__ __forceinline__ GridResult fill_tile(const GridBatch& batch, const GridColumn& column,
                                                const GridCell& cell, std::int32_t first_bin,
                                                std::int32_t length, GridCarry& carry) {
  const auto lane = static_cast<int>(threadIdx.x % kWarp);
  const std::int32_t bin = first_bin + lane;
  const bool observed = cell.count > 0;
  const float own = observed ? cell_value(column, cell.value, cell.count) : 0.0f;
  const unsigned seen = __ballot_sync(kAllLanes, observed);
  const unsigned before = seen & ((1u << lane) - 1);
  const unsigned so_far = before | (observed ? 1u << lane : 0u);
  const int nearest = so_far == 0 ? 0 : 31 - __clz(static_cast<int>(so_far));
  const float carried = __shfl_sync(kAllLanes, own, nearest);
  const std::int32_t last = so_far == 0 ? carry.last : first_bin + nearest;
  GridResult result;
  if (bin < length) {
    const bool held = last >= 0 && bin - last <= column.max_gap;
    result.value = held ? (so_far == 0 ? carry.value : carried) : column.fill;
    result.mask = observed ? 1.0f : 0.0f;
    std::int32_t since = carry.last < 0 ? 0 : carry.last;
    if (before != 0) since = first_bin + 31 - __clz(static_cast<int>(before));
    result.delta = static_cast<float>(bin - since) * batch.step_hours;
  }
  const int latest = seen == 0 ? 0 : 31 - __clz(static_cast<int>(seen));
  const float latest_value = __shfl_sync(kAllLanes, own, latest);
  if (seen != 0) {
    carry.value = latest_value;
    carry.last = first_bin + latest;
  }
  return result;
}

/// Writes the tile's bins; those at `length` and after are 0.
template <typename T>
__device__ __forceinline__ void store_tile(const GridBatch& batch, const GridArrays& arrays,
                                           const float* tile, std::int32_t first_variable,
                                           std::int32_t here, std::int32_t first_bin,
                                           std::int32_t length) {
  const auto warp = static_cast<std::int32_t>(threadIdx.x / kWarp);
  const auto lane = static_cast<std::int32_t>(threadIdx.x % kWarp);
  const int pitch = grid_pitch(here);
  for (std::int32_t row = warp; row < kGridBins && first_bin + row < batch.steps;
       row += kGridWarps) {
    const std::int64_t bin = std::int64_t{blockIdx.x} * batch.steps + first_bin + row;
    const bool valid = first_bin + row < length;
    for (std::int32_t v = lane; v < here; v += kWarp) {
      const std::int64_t to = bin * batch.variables + first_variable + v;
      const float* from = tile + row * pitch + v;
      static_cast<T*>(arrays.values)[to] = from_float<T>(valid ? from[0] : 0.0f);
      arrays.mask[to] = valid ? from[kGridBins * pitch] : 0.0f;
      arrays.delta[to] = valid ? from[2 * kGridBins * pitch] : 0.0f;
    }
  }
}

template <typename T>
__global__ void __launch_bounds__(kGridThreads, 4)
    vitals_grid_kernel(GridBatch batch, GridArrays arrays) {
  SALUS_DYNAMIC_SHARED(float, tile);
  SALUS_SHARED(GridCarry, carries, [kGridVariables]);
  SALUS_SHARED(std::int32_t, latest, [kGridWarps]);
  const auto thread = static_cast<std::int32_t>(threadIdx.x);
  const auto lane = static_cast<std::int32_t>(threadIdx.x % kWarp);
  const auto first_variable = static_cast<std::int32_t>(blockIdx.y) * kGridVariables;
  const std::int32_t left = batch.variables - first_variable;
  const std::int32_t here = left < kGridVariables ? left : kGridVariables;
  const int pitch = grid_pitch(here);
  if (thread < here) carries[thread] = GridCarry();
  const GridStay stay = survey_stay(batch, arrays, latest);
  if (thread == 0 && blockIdx.y == 0) arrays.length[blockIdx.x] = stay.length;

  std::int64_t row = stay.begin;
  for (std::int32_t bin = 0; bin < batch.steps; bin += kGridBins) {
    // The first tile is gathered even of a stay without bins: its events are to be counted.
    if (bin < stay.length || bin == 0) {
      // In order of time each row belongs to one tile; else every tile looks at all of them.
      const bool last_tile = bin + kGridBins >= stay.length;
      std::int64_t end = stay.end;
      if (stay.in_order && !last_tile) {
        end = first_row_at(batch, arrays, row, end, (bin + kGridBins) * batch.step_seconds);
      }
      for (std::int32_t v = thread / static_cast<std::int32_t>(kWarp); v < here; v += kGridWarps) {
        const GridColumn column = arrays.columns[first_variable + v];
        GridCarry carry = carries[v];
        const GridCell cell = gather_cell(batch, arrays, column, first_variable + v, stay, row, end,
                                          bin, stay.in_order || bin == 0, carry.counts);
        const GridResult result = fill_tile(batch, column, cell, bin, stay.length, carry);
        tile[lane * pitch + v] = result.value;
        tile[(kGridBins + lane) * pitch + v] = result.mask;
        tile[(2 * kGridBins + lane) * pitch + v] = result.delta;
        __syncwarp();  // every lane has read the carry
        if (lane == 0) carries[v] = carry;
      }
      if (stay.in_order) row = end;
      __syncthreads();
    }
    store_tile<T>(batch, arrays, tile, first_variable, here, bin, stay.length);
    __syncthreads();
  }
  if (thread < here) {
    const std::int64_t to = std::int64_t{blockIdx.x} * batch.variables + first_variable + thread;
    for (int i = 0; i < 3; ++i) arrays.counts[3 * to + i] = carries[thread].counts[i];
  }
}

}  // namespace salus::kernels
