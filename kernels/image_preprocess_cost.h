#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels/image_preprocess_batch.h"
#include "kernels/kernel_cost.h"

namespace salus::kernels::preprocess {

/// Source elements of one axis that any output's filter covers; each counts once.
inline double covered(const Axis& axis) {
  std::int64_t count = 0, end = 0;  // `first` never decreases
  for (std::size_t o = 0; o < axis.first.size(); ++o) {
    const std::int64_t last = axis.first[o] + axis.begin[o + 1] - axis.begin[o];
    count += std::max<std::int64_t>(0, last - std::max<std::int64_t>(end, axis.first[o]));
    end = std::max(end, last);
  }
  return static_cast<double>(count);
}

/// One call on a plan's batch. Every stored value that a filter covers is read and windowed once
/// (subtract, multiply-add, clamp), weighed once per output row that it is part of and, after the
/// rows, once per output column; every output is written once, by a multiply-add.
inline KernelCost image_preprocess_cost(const Plan& plan) {
  constexpr double kBytes[] = {1, 1, 2, 2, 4};  // by PixelType
  constexpr double kWindow = 5, kMultiplyAdd = 2;
  const OutputPlan& out = plan.output;
  const double outputs = static_cast<double>(out.channels) * out.height * out.width;
  KernelCost cost;
  for (const ImagePlan& image : plan.images) {
    const Axis& rows = plan.axes[static_cast<std::size_t>(image.row_axis)];
    const Axis& columns = plan.axes[static_cast<std::size_t>(image.column_axis)];
    const double across = covered(columns) * image.components;
    const double values = covered(rows) * across;
    const double column_terms = static_cast<double>(columns.weight.size()) * image.components;
    cost.bytes_read += values * kBytes[static_cast<int>(image.type)];
    cost.bytes_written += outputs * (out.type == OutputType::kFloat32 ? 4 : 2);
    cost.operations +=
        values * kWindow + kMultiplyAdd * (static_cast<double>(rows.weight.size()) * across +
                                           column_terms * image.height + outputs);
  }
  cost.bytes_uploaded = static_cast<double>(packed_bytes(plan));
  cost.bytes_read += cost.bytes_uploaded;
  return cost;
}

}  // namespace salus::kernels::preprocess
