#pragma once

#include <cstdint>

#include "kernels/device.h"

// The sums of kmeans_assign() on a GPU: what host and kernel share.

namespace salus::kernels {

inline constexpr unsigned kSumWarps = 4;
inline constexpr unsigned kSumColumns = 4 * kWarp;  ///< of one block

/// Each block adds up some columns of some members of one cluster.
struct KMeansSumsTask {
  const float* points = nullptr;          ///< [N, dim]
  const std::int64_t* members = nullptr;  ///< points in order of their cluster, then of number
  const std::int64_t* starts = nullptr;   ///< [clusters + 1]: where those of a cluster begin
  float* halves = nullptr;                ///< [splits, 2, clusters, dim]: a sum is high + low
  std::int64_t dim = 0;
  std::int32_t clusters = 0, splits = 1;  ///< members of a cluster are cut into `splits`
};

/// Whether rows can be read 16 bytes at a time.
inline bool kmeans_vectors(const KMeansSumsTask& task) {
  return task.dim % 4 == 0 && reinterpret_cast<std::uintptr_t>(task.points) % 16 == 0;
}

/// Stripes of columns, a block of threads for each.
inline std::int64_t kmeans_stripes(std::int64_t dim) {
  return (dim + kSumColumns - 1) / kSumColumns;
}

/// As many pieces of a cluster as give the device enough blocks, of at least 256 members on average:
/// four for each of an H100's 132 multiprocessors.
inline std::int32_t kmeans_splits(std::int64_t members, std::int32_t clusters, std::int64_t dim) {
  constexpr std::int64_t kBlocks = 528, kFewest = 256, kMost = 64;
  const std::int64_t wanted = kBlocks / (clusters * kmeans_stripes(dim));
  const std::int64_t most = members / (kFewest * clusters);
  const std::int64_t splits = wanted < most ? wanted : most;
  return static_cast<std::int32_t>(splits < 1 ? 1 : splits > kMost ? kMost : splits);
}

inline LaunchShape kmeans_sums_shape(const KMeansSumsTask& task) {
  return {
      .grid = {static_cast<unsigned>(task.clusters),
               static_cast<unsigned>(kmeans_stripes(task.dim)), static_cast<unsigned>(task.splits)},
      .block = {kSumWarps * kWarp}};
}

/// The launcher in kmeans_sums_cuda.cu.
using KMeansSumsLaunch = void(int device, const KMeansSumsTask& task);

}  // namespace salus::kernels
