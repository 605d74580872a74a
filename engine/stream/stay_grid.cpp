#include "engine/stream/stay_grid.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace salus::stream {
namespace {

using kernels::GridCell;

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::min();  // no time's order

std::int64_t bits_of(double hours) { return std::bit_cast<std::int64_t>(hours); }

}  // namespace

/// What a cell was before its latest event, so that this one can be taken back.
struct StayGrid::Before {
  GridCell cell;
  std::int64_t latest = kNever;  ///< time_order() of the latest event, plausible or not
};

StayGrid::StayGrid(const kernels::VitalsGridSpec& spec, std::int32_t kept, io::RowPolicy duplicates)
    : steps_(static_cast<std::int32_t>(spec.steps)),
      kept_(kept),
      step_seconds_(static_cast<std::int32_t>(std::llround(spec.step * 3600))),
      step_hours_(static_cast<float>(step_seconds_ / 3600.0)),
      duplicates_(duplicates) {
  const kernels::VitalsGridPlan checked(spec, at::kCPU);  // refuses what has no grid
  columns_ = kernels::grid_columns(spec.variables, step_seconds_);
}

std::int32_t StayGrid::bin(double hours) const {
  return kernels::bin_of(bits_of(hours), step_seconds_);
}

std::size_t StayGrid::cells_bytes() const {
  const bool undoes = duplicates_ != io::RowPolicy::kAccept;
  const std::size_t bytes = sizeof(GridCell) + (undoes ? sizeof(Before) : 0);
  return static_cast<std::size_t>(kept_) * columns_.size() * bytes;
}

std::size_t StayGrid::carry_bytes() const {
  return columns_.size() * (sizeof(float) + sizeof(std::int32_t));
}

GridCell* StayGrid::cells_of(std::byte* cells, std::int32_t bin) const {
  const auto place = static_cast<std::size_t>(bin % kept_) * columns_.size();
  return reinterpret_cast<GridCell*>(cells) + place;
}

const GridCell* StayGrid::cells_of(const std::byte* cells, std::int32_t bin) const {
  return cells_of(const_cast<std::byte*>(cells), bin);
}

StayGrid::Before* StayGrid::before_of(std::byte* cells, std::int32_t bin) const {
  cells += static_cast<std::size_t>(kept_) * columns_.size() * sizeof(GridCell);
  return reinterpret_cast<Before*>(cells) + static_cast<std::size_t>(bin % kept_) * columns_.size();
}

void StayGrid::start(std::byte* carry) const {
  const std::size_t count = columns_.size();
  auto* last = reinterpret_cast<std::int32_t*>(carry);
  std::fill_n(last, count, -1);
  std::fill_n(reinterpret_cast<float*>(last + count), count, 0.0F);
}

void StayGrid::open(std::byte* cells, std::int32_t bin) const {
  std::fill_n(cells_of(cells, bin), columns_.size(), GridCell{});
  if (duplicates_ != io::RowPolicy::kAccept) {
    std::fill_n(before_of(cells, bin), columns_.size(), Before{});
  }
}

StayGrid::Added StayGrid::add(std::byte* cells, std::int32_t bin, double hours,
                              std::int32_t variable, float value) const {
  const auto v = static_cast<std::size_t>(variable);
  const kernels::Aggregate aggregate = columns_[v].aggregate;
  const std::int64_t order = kernels::time_order(bits_of(hours));
  const bool counts = plausible(variable, value);
  GridCell& cell = cells_of(cells, bin)[v];
  Added added = Added::kFresh;
  if (duplicates_ != io::RowPolicy::kAccept) {
    Before& before = before_of(cells, bin)[v];
    if (order == before.latest) {
      if (duplicates_ == io::RowPolicy::kRefuse) return Added::kRefused;
      cell = before.cell;
      added = Added::kCorrects;
    } else if (order > before.latest) {
      before = {cell, order};
    } else if (counts) {
      before.cell.add(aggregate, value, order);
    }
  }
  if (counts) cell.add(aggregate, value, order);
  return added;
}

void StayGrid::row(const std::byte* cells, const std::byte* carry, std::int32_t bin, float* values,
                   float* mask, float* delta) const {
  const GridCell* cell = cells_of(cells, bin);
  const auto* last = reinterpret_cast<const std::int32_t*>(carry);
  const auto* carried = reinterpret_cast<const float*>(last + columns_.size());
  for (std::size_t v = 0; v < columns_.size(); ++v) {
    const kernels::GridColumn& column = columns_[v];
    const bool seen = cell[v].count > 0;
    const bool held = last[v] >= 0 && bin - last[v] <= column.max_gap;
    values[v] = seen   ? kernels::cell_value(column, cell[v].value, cell[v].count)
                : held ? carried[v]
                       : column.fill;
    mask[v] = seen ? 1.0F : 0.0F;
    delta[v] = static_cast<float>(bin - std::max(last[v], 0)) * step_hours_;
  }
}

void StayGrid::carry_over(std::byte* carry, std::int32_t bin, const float* values,
                          const float* mask) const {
  auto* last = reinterpret_cast<std::int32_t*>(carry);
  auto* carried = reinterpret_cast<float*>(last + columns_.size());
  for (std::size_t v = 0; v < columns_.size(); ++v) {
    if (mask[v] == 0) continue;
    last[v] = bin;
    carried[v] = values[v];
  }
}

}  // namespace salus::stream
