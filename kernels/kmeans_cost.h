#pragma once

#include "kernels/kernel_cost.h"
#include "kernels/kmeans_sums.h"

namespace salus::kernels {

/// The sums of kmeans_assign() on a GPU: each point is read once, its place in the order once for
/// each stripe of columns; two float32 are written for each value of a sum and split. A value takes
/// a two-sum, seven operations.
inline KernelCost kmeans_sums_cost(std::int64_t members, std::int32_t clusters, std::int64_t dim) {
  constexpr double kTwoSum = 7;
  const auto values = static_cast<double>(members) * static_cast<double>(dim);
  const auto stripes = static_cast<double>(kmeans_stripes(dim));
  const std::int32_t splits = kmeans_splits(members, clusters, dim);
  const double blocks = stripes * clusters * splits;
  KernelCost cost;
  cost.bytes_read = 4 * values + 8 * static_cast<double>(members) * stripes + 16 * blocks;
  cost.bytes_written = 8.0 * splits * clusters * static_cast<double>(dim);
  cost.operations = kTwoSum * values;
  return cost;
}

}  // namespace salus::kernels
