// CPU half of batch_norm_act: threads over parts of rows, vectors over the values of a row.
#include <ATen/Parallel.h>

#include <algorithm>
#include <memory>

#include "kernels/batch_norm_act_plan.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/batch_norm_act_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "hwy/contrib/math/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace salus::kernels {
namespace HWY_NAMESPACE {

#include "kernels/batch_norm_act_columns-inl.h"

/// Runs `columns` over rows [begin, end): a few rows of each column at a time, so that the column's
/// coefficients and sums stay in registers.
template <class Columns>
void walk(const NormRows& rows, std::int64_t begin, std::int64_t end, const Columns& columns) {
  const Wide d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  // Long rows lie a multiple of 4 KB apart, where the first cache holds few of them.
  const std::int64_t together = rows.width <= 256 ? 8 : rows.width <= 512 ? 4 : 2;
  for (std::int64_t row = begin; row < end; row += together) {
    const std::int64_t count = std::min(together, end - row);
    for (std::int64_t v = 0; v < rows.width; v += lanes) {
      columns.run(d, v, row * rows.width + v, count, rows.width);
    }
  }
}

/// The shorter row at the end: whole vectors, then single values.
template <class Columns>
void walk_tail(const NormRows& rows, const Columns& columns) {
  const Wide d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t first = rows.full * rows.width;
  std::int64_t v = 0;
  for (; v + lanes <= rows.tail; v += lanes) columns.run(d, v, first + v, 1, rows.width);
  for (; v < rows.tail; ++v) columns.run(One(), v, first + v, 1, rows.width);
}

/// Part `p` of the rows; the last one has the shorter row too.
template <class Columns>
void walk_part(const NormRows& rows, std::int64_t p, const Columns& columns) {
  walk(rows, p * rows.part, std::min(rows.full, (p + 1) * rows.part), columns);
  if (p + 1 == rows.parts()) walk_tail(rows, columns);
}

/// Runs `columns` over everything. Each thread goes backwards, because the end of what the sums
/// have just read is still in the cache.
template <class Columns>
void apply_all(const NormRows& rows, const Columns& columns) {
  at::parallel_for(0, rows.parts(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = end; p-- > begin;) walk_part(rows, p, columns);
  });
}

/// Adds a part's sums of a row to those of the channels.
void add_to_channels(const NormRows& rows, const float* part, std::vector<double>& sums) {
  for (std::int64_t at = 0; at < rows.width; at += rows.channels) {
    for (std::int64_t c = 0; c < rows.channels; ++c) sums[c] += part[at + c];
  }
}

/// The two sums that `columns` makes of a row, over everything.
template <class Columns>
NormSums sum_all(const NormRows& rows, const Columns& columns) {
  const std::int64_t parts = rows.parts(), size = 2 * rows.width;
  const auto partial = std::make_unique_for_overwrite<float[]>(parts * size);
  at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      Columns own = columns;
      own.first = partial.get() + p * size;
      own.second = own.first + rows.width;
      std::fill_n(own.first, size, 0.0f);
      walk_part(rows, p, own);
    }
  });
  NormSums sums{std::vector<double>(rows.channels), std::vector<double>(rows.channels)};
  for (std::int64_t p = 0; p < parts; ++p) {
    add_to_channels(rows, partial.get() + p * size, sums.first);
    add_to_channels(rows, partial.get() + p * size + rows.width, sums.second);
  }
  return sums;
}

template <typename T>
NormSums moments_of(const NormRows& rows, const void* x, const std::vector<float>& origin) {
  return sum_all(rows, MomentColumns<T>{static_cast<const T*>(x), origin.data()});
}

NormSums moments_any(bool bfloat16, const NormRows& rows, const void* x,
                     const std::vector<float>& origin) {
  return bfloat16 ? moments_of<BFloat16>(rows, x, origin) : moments_of<float>(rows, x, origin);
}

template <typename T, NormActivation kActivation>
void forward_with(const NormRows& rows, const NormForward& forward) {
  const auto run = [&](auto columns) { apply_all(rows, columns); };
  if (forward.residual != nullptr) {
    run(ForwardColumns<T, kActivation, true>(forward));
  } else {
    run(ForwardColumns<T, kActivation, false>(forward));
  }
}

template <typename T>
void forward_of(const NormRows& rows, const NormForward& forward) {
  switch (forward.activation) {
    case NormActivation::kNone:
      return forward_with<T, NormActivation::kNone>(rows, forward);
    case NormActivation::kRelu:
      return forward_with<T, NormActivation::kRelu>(rows, forward);
    case NormActivation::kSilu:
      return forward_with<T, NormActivation::kSilu>(rows, forward);
  }
}

void forward_any(bool bfloat16, const NormRows& rows, const NormForward& forward) {
  return bfloat16 ? forward_of<BFloat16>(rows, forward) : forward_of<float>(rows, forward);
}

template <typename T>
NormSums backward_sums_of(const NormRows& rows, const NormBackward& backward) {
  switch (backward.mask) {
    case NormMask::kNone:
      break;
    case NormMask::kReluX:
      return sum_all(rows, GradientSumColumns<T, NormMask::kReluX>(backward));
    case NormMask::kReluY:
      return sum_all(rows, GradientSumColumns<T, NormMask::kReluY>(backward));
    case NormMask::kSiluX:
      return sum_all(rows, GradientSumColumns<T, NormMask::kSiluX>(backward));
  }
  return sum_all(rows, GradientSumColumns<T, NormMask::kNone>(backward));
}

NormSums backward_sums_any(bool bfloat16, const NormRows& rows, const NormBackward& backward) {
  return bfloat16 ? backward_sums_of<BFloat16>(rows, backward)
                  : backward_sums_of<float>(rows, backward);
}

template <typename T>
void backward_of(const NormRows& rows, const NormBackward& backward) {
  switch (backward.mask) {
    case NormMask::kNone:
    case NormMask::kReluY:  // the sums have left the gradient of v behind
      return apply_all(rows, GradientColumns<T, NormMask::kNone>(backward));
    case NormMask::kReluX:
      return apply_all(rows, GradientColumns<T, NormMask::kReluX>(backward));
    case NormMask::kSiluX:
      return apply_all(rows, GradientColumns<T, NormMask::kSiluX>(backward));
  }
}

void backward_any(bool bfloat16, const NormRows& rows, const NormBackward& backward) {
  return bfloat16 ? backward_of<BFloat16>(rows, backward) : backward_of<float>(rows, backward);
}

}  // namespace HWY_NAMESPACE
}  // namespace salus::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace salus::kernels {

HWY_EXPORT(moments_any);
HWY_EXPORT(forward_any);
HWY_EXPORT(backward_sums_any);
HWY_EXPORT(backward_any);

NormSums norm_moments_cpu(bool bfloat16, const NormRows& rows, const void* x,
                          const std::vector<float>& origin) {
  return HWY_DYNAMIC_DISPATCH(moments_any)(bfloat16, rows, x, origin);
}

void norm_forward_cpu(bool bfloat16, const NormRows& rows, const NormForward& forward) {
  HWY_DYNAMIC_DISPATCH(forward_any)(bfloat16, rows, forward);
}

NormSums norm_backward_sums_cpu(bool bfloat16, const NormRows& rows, const NormBackward& backward) {
  return HWY_DYNAMIC_DISPATCH(backward_sums_any)(bfloat16, rows, backward);
}

void norm_backward_cpu(bool bfloat16, const NormRows& rows, const NormBackward& backward) {
  HWY_DYNAMIC_DISPATCH(backward_any)(bfloat16, rows, backward);
}

}  // namespace salus::kernels
#endif
