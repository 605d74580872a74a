// CPU half of vitals_grid: threads over stays; the events of a stay are added up in the order of
// their rows, then vectors run along the variables of each bin.
#include <ATen/Parallel.h>
#include <c10/core/ScalarType.h>

#include <algorithm>
#include <cstring>
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

constexpr std::int32_t kNever = INT32_MIN;

/// A cell that has events: its place in the scratch grid and its variable.
struct Touched {
  std::size_t cell;
  std::uint32_t variable;
};

/// Working memory of one thread, for one stay at a time. Rows are padded to whole vectors.
struct Scratch {
  explicit Scratch(const GridBatch& batch)
      : pitch((batch.variables + 15) / 16 * 16),
        carried(pitch),
        fill(pitch),
        gap(pitch),
        last(pitch),
        until(pitch),
        row(pitch) {}

  std::size_t pitch;
  std::vector<float> value;         ///< [length, pitch]
  std::vector<std::int32_t> count;  ///< [length, pitch]
  std::vector<std::int64_t> order;  ///< [length, pitch], of stays that are not in order
  std::vector<Touched> touched;
  std::vector<float> carried, fill;
  std::vector<std::int32_t> gap, last, until;
  std::vector<float> row;
};

struct Stay {
  std::int64_t begin, end;
  std::int32_t length;
  bool in_order;
};

Stay survey_stay(const GridBatch& batch, const GridArrays& arrays, std::int64_t stay) {
  Stay found{arrays.offsets[stay], arrays.offsets[stay + 1], 0, true};
  std::int32_t last = kNoSecond;
  std::int64_t before = INT64_MIN;
  for (std::int64_t e = found.begin; e < found.end; ++e) {
    const std::int64_t time = load_time(batch, arrays, e);
    const std::int64_t order = time_order(time);
    found.in_order &= order >= before;
    before = order;
    if (arrays.given_length == nullptr) last = std::max(last, whole_seconds(time));
  }
  std::int64_t length = last < 0 ? 0 : last / batch.step_seconds + 1;
  if (arrays.given_length != nullptr) length = arrays.given_length[stay];
  found.length =
      static_cast<std::int32_t>(std::clamp<std::int64_t>(length, 0, std::int64_t{batch.steps}));
  return found;
}

/// Adds the events of one stay to the scratch grid and counts them.
template <typename Time, typename Id>
void gather_events(const GridBatch& batch, const GridArrays& arrays, const Stay& stay,
                   Scratch& scratch, std::int32_t* counts) {
  const auto* times = static_cast<const Time*>(arrays.time);
  const auto* ids = static_cast<const Id*>(arrays.variable);
  const auto variables = static_cast<std::uint32_t>(batch.variables);
  const auto step = static_cast<std::uint32_t>(batch.step_seconds);
  const auto length = static_cast<std::uint32_t>(stay.length);
  for (std::int64_t e = stay.begin; e < stay.end; ++e) {
    const auto id = static_cast<std::uint32_t>(static_cast<std::int32_t>(ids[e]));
    if (id >= variables) continue;
    const GridColumn& column = arrays.columns[id];
    const float value = arrays.value[e];
    if (!is_plausible(column, value)) {
      ++counts[3 * id + 1];
      continue;
    }
    std::int64_t time;
    if constexpr (sizeof(Time) == 8) {
      time = times[e];
    } else {
      time = widen_time(times[e]);
    }
    const std::int32_t second = whole_seconds(time);
    const std::uint32_t bin = static_cast<std::uint32_t>(second) / step;
    if (second < 0 || bin >= length) {
      ++counts[3 * id + 2];
      continue;
    }
    ++counts[3 * id];
    const std::size_t at = bin * scratch.pitch + id;
    if (scratch.count[at] == 0) {
      scratch.touched.push_back({at, id});
    }
    GridCell cell{scratch.value[at], scratch.count[at], stay.in_order ? 0 : scratch.order[at]};
    cell.add(column.aggregate, value, stay.in_order ? 0 : time_order(time));
    scratch.value[at] = cell.value;
    scratch.count[at] = cell.count;
    if (!stay.in_order) scratch.order[at] = cell.order;
  }
}

void gather_any(const GridBatch& batch, const GridArrays& arrays, const Stay& stay,
                Scratch& scratch, std::int32_t* counts) {
  const auto gather = [&](auto time, auto id) {
    gather_events<decltype(time), decltype(id)>(batch, arrays, stay, scratch, counts);
  };
  if (batch.wide_time) {
    batch.wide_variable ? gather(std::int64_t{}, std::int32_t{})
                        : gather(std::int64_t{}, std::int16_t{});
  } else {
    batch.wide_variable ? gather(std::int32_t{}, std::int32_t{})
                        : gather(std::int32_t{}, std::int16_t{});
  }
}

/// Stores a vector where only `room` more elements belong to the stay.
HWY_INLINE void store_within(V v, float* to, std::int64_t room) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(D()));
  if (room >= lanes) return hn::StoreU(v, D(), to);
  HWY_ALIGN float spill[16];
  hn::Store(v, D(), spill);
  std::memcpy(to, spill, static_cast<std::size_t>(room) * sizeof(float));
}

/// One bin of all variables: values into `values`, mask and delta likewise. Whole vectors are
/// written as long as they stay inside of the stay's own part of the output: what they write beyond
/// the row is overwritten by the rows that follow.
void fill_row(const GridBatch& batch, std::int32_t bin, std::int64_t room, Scratch& scratch,
              float* values, std::int64_t values_room, float* mask, float* delta) {
  const D d;
  const DI di;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const float* own = scratch.value.data() + bin * scratch.pitch;
  const std::int32_t* count = scratch.count.data() + bin * scratch.pitch;
  const VI now = hn::Set(di, bin);
  const V hours = hn::Set(d, batch.step_hours);
  for (std::int64_t v = 0; v < batch.variables; v += lanes) {
    const auto seen = hn::Gt(hn::LoadU(di, count + v), hn::Zero(di));
    const auto seen_float = hn::RebindMask(d, seen);
    const VI last = hn::LoadU(di, scratch.last.data() + v);
    const V since = hn::Mul(hn::ConvertTo(d, hn::Sub(now, last)), hours);
    const V carried =
        hn::IfThenElse(seen_float, hn::LoadU(d, own + v), hn::LoadU(d, scratch.carried.data() + v));
    const VI until = hn::IfThenElse(seen, hn::Add(now, hn::LoadU(di, scratch.gap.data() + v)),
                                    hn::LoadU(di, scratch.until.data() + v));
    const auto held = hn::Not(hn::Gt(now, until));
    const V result =
        hn::IfThenElse(hn::RebindMask(d, held), carried, hn::LoadU(d, scratch.fill.data() + v));
    hn::StoreU(carried, d, scratch.carried.data() + v);
    hn::StoreU(until, di, scratch.until.data() + v);
    hn::StoreU(hn::IfThenElse(seen, now, last), di, scratch.last.data() + v);
    store_within(result, values + v, values_room - v);
    store_within(hn::IfThenElse(seen_float, hn::Set(d, 1.0f), hn::Zero(d)), mask + v, room - v);
    store_within(since, delta + v, room - v);
  }
}

template <typename T>
void fill_stay(const GridBatch& batch, const GridArrays& arrays, std::int64_t stay,
               std::int32_t length, Scratch& scratch) {
  const std::int64_t size = std::int64_t{batch.steps} * batch.variables;
  T* values = static_cast<T*>(arrays.values) + stay * size;
  float* mask = arrays.mask + stay * size;
  float* delta = arrays.delta + stay * size;
  std::fill(scratch.last.begin(), scratch.last.end(), 0);
  std::fill(scratch.until.begin(), scratch.until.end(), kNever);
  std::int64_t at = 0;
  for (std::int32_t bin = 0; bin < length; ++bin, at += batch.variables) {
    if constexpr (std::is_same_v<T, float>) {
      fill_row(batch, bin, size - at, scratch, values + at, size - at, mask + at, delta + at);
    } else {
      float* row = scratch.row.data();
      fill_row(batch, bin, size - at, scratch, row, static_cast<std::int64_t>(scratch.row.size()),
               mask + at, delta + at);
      for (std::int32_t v = 0; v < batch.variables; ++v) values[at + v] = from_float<T>(row[v]);
    }
  }
  const auto rest = static_cast<std::size_t>(size - at);
  std::memset(static_cast<void*>(values + at), 0, rest * sizeof(T));
  std::memset(mask + at, 0, rest * sizeof(float));
  std::memset(delta + at, 0, rest * sizeof(float));
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
      const Stay stay = survey_stay(batch, arrays, n);
      arrays.length[n] = stay.length;
      const std::size_t cells = stay.length * scratch.pitch;
      scratch.value.resize(std::max(cells, scratch.value.size()));
      scratch.count.assign(cells, 0);
      if (!stay.in_order) scratch.order.resize(std::max(cells, scratch.order.size()));
      scratch.touched.clear();
      std::int32_t* counts = arrays.counts + n * batch.variables * 3;
      std::fill_n(counts, std::int64_t{3} * batch.variables, 0);
      gather_any(batch, arrays, stay, scratch, counts);
      for (const Touched& touched : scratch.touched) {
        float& value = scratch.value[touched.cell];
        value = cell_value(arrays.columns[touched.variable], value, scratch.count[touched.cell]);
      }
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
