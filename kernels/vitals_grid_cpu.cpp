// CPU half of vitals_grid: threads over stays; the events of a stay are added up in the order of
// their rows, then vectors run along the variables of each bin.
#include <ATen/Parallel.h>
#include <c10/core/ScalarType.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/vitals_grid_math.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/vitals_grid_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace salus::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using DI = hn::RebindToSigned<D>;
using V = hn::Vec<D>;
using VI = hn::Vec<DI>;

/// A cell that has events: its place in the scratch grid and its variable.
struct Touched {
  std::size_t cell;
  std::uint32_t variable;
};

/// Working memory of one thread, for one stay at a time. Rows are padded to whole vectors.
struct Scratch {
  explicit Scratch(const GridBatch& batch)
      : pitch((batch.variables + 15) / 16 * 16), fill(pitch), gap(pitch) {}

  std::size_t pitch;
  std::vector<std::int32_t> bin;    ///< of each event; negative: before the stay, or NaN
  std::vector<float> value;         ///< [length, pitch]
  std::vector<std::int32_t> count;  ///< [length, pitch]
  std::vector<std::int64_t> order;  ///< [length, pitch], of stays that are not in order
  std::vector<Touched> touched;     ///< room for one more than there are events
  std::vector<float> fill;
  std::vector<std::int32_t> gap;
};

struct Stay {
  std::int64_t begin, end;
  std::int32_t length;
  bool in_order;
};

using D64 = hn::CappedTag<double, 8>;
using DI64 = hn::RebindToSigned<D64>;

HWY_INLINE hn::Vec<D64> load_hours(const double* from) { return hn::LoadU(D64(), from); }
HWY_INLINE hn::Vec<D64> load_hours(const float* from) {
  return hn::PromoteTo(D64(), hn::LoadU(hn::Rebind<float, D64>(), from));
}

/// The bins of `count` times, whether they ascend, and the largest bin. whole_seconds() in float64:
/// with 41 bits of the time the product with 3600 is exact, and so is all that follows.
template <typename Time>
void find_bins(const Time* times, std::int64_t count, std::int32_t step_seconds, std::int32_t* bins,
               bool& in_order, std::int32_t& last) {
  const D64 d;
  const hn::Rebind<std::int32_t, D64> di;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto kept = hn::BitCast(d, hn::Set(DI64(), kTimeBits));
  const auto step = hn::Set(d, static_cast<double>(step_seconds));
  const auto none = hn::Set(d, -1.0);
  const auto far = hn::Set(d, static_cast<double>(kFarSecond));
  auto largest = none;
  bool ascends = true;
  HWY_ALIGN Time tail[8];
  for (std::int64_t e = 0; e < count; e += lanes) {
    const Time* from = times + e;
    if (e + lanes > count) {  // what follows is another stay's, or not there
      std::fill(tail, tail + lanes, std::numeric_limits<Time>::quiet_NaN());
      std::copy(from, times + count, tail);
      from = tail;
    }
    const auto hours = hn::And(load_hours(from), kept);
    const auto product = hn::Mul(hn::Abs(hours), hn::Set(d, 3600.0));
    auto second = hn::Floor(hn::Add(product, hn::Set(d, 0.5)));
    second = hn::Min(hn::CopySign(second, hours), far);
    const auto valid = hn::And(hn::Ge(second, hn::Zero(d)), hn::Eq(hours, hours));
    const auto bin = hn::IfThenElse(valid, hn::Floor(hn::Div(second, step)), none);
    largest = hn::Max(largest, bin);
    hn::StoreU(hn::DemoteTo(di, bin), di, bins + e);
  }
  for (std::int64_t e = 1; e < count; ++e) ascends &= times[e - 1] <= times[e];
  in_order = ascends;
  last = static_cast<std::int32_t>(hn::GetLane(hn::MaxOfLanes(d, largest)));
}

Stay survey_stay(const GridBatch& batch, const GridArrays& arrays, std::int64_t n,
                 Scratch& scratch) {
  Stay stay{arrays.offsets[n], arrays.offsets[n + 1], 0, true};
  const std::int64_t count = stay.end - stay.begin;
  scratch.bin.resize(std::max<std::size_t>(count + 8, scratch.bin.size()));
  std::int32_t last = -1;
  if (batch.wide_time) {
    find_bins(static_cast<const double*>(arrays.time) + stay.begin, count, batch.step_seconds,
              scratch.bin.data(), stay.in_order, last);
  } else {
    find_bins(static_cast<const float*>(arrays.time) + stay.begin, count, batch.step_seconds,
              scratch.bin.data(), stay.in_order, last);
  }
  const std::int64_t length =
      arrays.given_length != nullptr ? arrays.given_length[n] : std::int64_t{last} + 1;
  stay.length =
      static_cast<std::int32_t>(std::clamp<std::int64_t>(length, 0, std::int64_t{batch.steps}));
  return stay;
}

/// Adds the events of one stay to the scratch grid and counts them.
template <bool kInOrder, typename Id>
void gather_events(const GridBatch& batch, const GridArrays& arrays, const Stay& stay,
                   Scratch& scratch, std::int32_t* counts) {
  const Id* ids = static_cast<const Id*>(arrays.variable) + stay.begin;
  const float* values = arrays.value + stay.begin;
  const GridColumn* columns = arrays.columns;
  const std::int32_t* bins = scratch.bin.data();
  float* sums = scratch.value.data();
  std::int32_t* seen = scratch.count.data();
  const std::size_t pitch = scratch.pitch;
  const auto variables = static_cast<std::uint32_t>(batch.variables);
  const auto length = static_cast<std::uint32_t>(stay.length);
  const std::int64_t count = stay.end - stay.begin;
  scratch.touched.resize(std::max<std::size_t>(count + 1, scratch.touched.size()));
  Touched* touched = scratch.touched.data();
  for (std::int64_t e = 0; e < count; ++e) {
    const auto id = static_cast<std::uint32_t>(static_cast<std::int32_t>(ids[e]));
    if (id >= variables) continue;
    const GridColumn& column = columns[id];
    const float value = values[e];
    const auto bin = static_cast<std::uint32_t>(bins[e]);
    const bool plausible = is_plausible(column, value);
    const bool inside = bin < length;
    ++counts[3 * id + (plausible ? (inside ? kUsed : kOutsideGrid) : kOutsideRange)];
    if (!plausible || !inside) continue;
    const std::size_t at = bin * pitch + id;
    GridCell cell{sums[at], seen[at], 0};
    *touched = {at, id};
    touched += cell.count == 0;
    if constexpr (kInOrder) {
      cell.add(column.aggregate, value, 0);
    } else {
      cell.order = scratch.order[at];
      cell.add(column.aggregate, value, time_order(load_time(batch, arrays, stay.begin + e)));
      scratch.order[at] = cell.order;
    }
    sums[at] = cell.value;
    seen[at] = cell.count;
  }
  for (const Touched* cell = scratch.touched.data(); cell != touched; ++cell) {
    sums[cell->cell] = cell_value(columns[cell->variable], sums[cell->cell], seen[cell->cell]);
  }
}

void gather_any(const GridBatch& batch, const GridArrays& arrays, const Stay& stay,
                Scratch& scratch, std::int32_t* counts) {
  const std::size_t cells = stay.length * scratch.pitch;
  scratch.value.resize(std::max(cells, scratch.value.size()));
  scratch.count.assign(cells, 0);
  if (!stay.in_order) scratch.order.resize(std::max(cells, scratch.order.size()));
  std::fill_n(counts, std::int64_t{kGridCounts} * batch.variables, 0);
  const auto gather = [&](auto id) {
    using Id = decltype(id);
    stay.in_order ? gather_events<true, Id>(batch, arrays, stay, scratch, counts)
                  : gather_events<false, Id>(batch, arrays, stay, scratch, counts);
  };
  batch.wide_variable ? gather(std::int32_t{}) : gather(std::int16_t{});
}

/// Stores a vector where only `room` more elements belong to the stay.
HWY_INLINE void store_within(V v, float* to, std::int64_t room) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(D()));
  if (HWY_LIKELY(room >= lanes)) return hn::StoreU(v, D(), to);
  HWY_ALIGN float spill[16];
  hn::Store(v, D(), spill);
  std::memcpy(to, spill, static_cast<std::size_t>(room) * sizeof(float));
}

/// The bins of the variables [first, first + lanes). Whole vectors are written as long as they stay
/// inside of the stay's own part of the output: what they write beyond the last variable is
/// overwritten afterwards, as the last variables come first and each bin after the one before.
void fill_columns(const GridBatch& batch, const Scratch& scratch, std::int64_t first,
                  std::int32_t length, std::int64_t pitch, float* values, std::int64_t values_size,
                  float* mask, float* delta) {
  const D d;
  const DI di;
  const std::int64_t size = std::int64_t{batch.steps} * batch.variables;
  const V fill = hn::LoadU(d, scratch.fill.data() + first);
  const V hours = hn::Set(d, batch.step_hours);
  const VI gap = hn::LoadU(di, scratch.gap.data() + first);
  VI last = hn::Zero(di);
  VI until = hn::Set(di, INT32_MIN);
  V carried = fill;
  for (std::int32_t bin = 0; bin < length; ++bin) {
    const std::size_t own = bin * scratch.pitch + first;
    const VI now = hn::Set(di, bin);
    const auto seen = hn::Gt(hn::LoadU(di, scratch.count.data() + own), hn::Zero(di));
    const auto seen_float = hn::RebindMask(d, seen);
    const V since = hn::Mul(hn::ConvertTo(d, hn::Sub(now, last)), hours);
    carried = hn::IfThenElse(seen_float, hn::LoadU(d, scratch.value.data() + own), carried);
    until = hn::IfThenElse(seen, hn::Add(now, gap), until);
    last = hn::IfThenElse(seen, now, last);
    const auto over = hn::RebindMask(d, hn::Gt(now, until));
    const std::int64_t at = std::int64_t{bin} * batch.variables + first;
    const std::int64_t values_at = bin * pitch + first;
    store_within(hn::IfThenElse(over, fill, carried), values + values_at, values_size - values_at);
    store_within(hn::IfThenElseZero(seen_float, hn::Set(d, 1.0f)), mask + at, size - at);
    store_within(since, delta + at, size - at);
  }
}

template <typename T>
void fill_stay(const GridBatch& batch, const GridArrays& arrays, std::int64_t stay,
               std::int32_t length, Scratch& scratch) {
  const std::int64_t variables = batch.variables;
  const std::int64_t size = batch.steps * variables;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(D()));
  T* values = static_cast<T*>(arrays.values) + stay * size;
  float* mask = arrays.mask + stay * size;
  float* delta = arrays.delta + stay * size;
  for (std::int64_t first = (variables - 1) / lanes * lanes; first >= 0; first -= lanes) {
    if constexpr (std::is_same_v<T, float>) {
      fill_columns(batch, scratch, first, length, variables, values, size, mask, delta);
    } else {  // float32 in place of the scratch grid, which is read no more
      const auto pitch = static_cast<std::int64_t>(scratch.pitch);
      fill_columns(batch, scratch, first, length, pitch, scratch.value.data(),
                   static_cast<std::int64_t>(scratch.value.size()), mask, delta);
    }
  }
  if constexpr (!std::is_same_v<T, float>) {
    for (std::int64_t bin = 0; bin < length; ++bin) {
      const float* row = scratch.value.data() + bin * scratch.pitch;
      for (std::int64_t v = 0; v < variables; ++v) {
        values[bin * variables + v] = from_float<T>(row[v]);
      }
    }
  }
  const std::int64_t done = length * variables;
  const auto rest = static_cast<std::size_t>(size - done);
  std::memset(static_cast<void*>(values + done), 0, rest * sizeof(T));
  std::memset(mask + done, 0, rest * sizeof(float));
  std::memset(delta + done, 0, rest * sizeof(float));
}

template <typename T>
void grid_stays(const GridBatch& batch, const GridArrays& arrays) {
  at::parallel_for(0, batch.stays, 4, [&](std::int64_t begin, std::int64_t end) {
    Scratch scratch(batch);
    for (std::int32_t v = 0; v < batch.variables; ++v) {
      scratch.fill[v] = arrays.columns[v].fill;
      scratch.gap[v] = arrays.columns[v].max_gap;
    }
    for (std::int64_t n = begin; n < end; ++n) {
      const Stay stay = survey_stay(batch, arrays, n, scratch);
      arrays.length[n] = stay.length;
      gather_any(batch, arrays, stay, scratch, arrays.counts + n * batch.variables * kGridCounts);
      fill_stay<T>(batch, arrays, n, stay.length, scratch);
    }
  });
}

void grid_any(int scalar, const GridBatch& batch, const GridArrays& arrays) {
  switch (static_cast<c10::ScalarType>(scalar)) {
    case c10::ScalarType::Half:
      return grid_stays<Half>(batch, arrays);
    case c10::ScalarType::BFloat16:
      return grid_stays<BFloat16>(batch, arrays);
    default:
      return grid_stays<float>(batch, arrays);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace salus::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace salus::kernels {

HWY_EXPORT(grid_any);

void vitals_grid_cpu(int scalar, const GridBatch& batch, const GridArrays& arrays) {
  HWY_DYNAMIC_DISPATCH(grid_any)(scalar, batch, arrays);
}

}  // namespace salus::kernels
#endif
