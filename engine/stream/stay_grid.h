#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/io/vitals.h"
#include "kernels/vitals_grid.h"
#include "kernels/vitals_grid_math.h"

namespace salus::stream {

/// The grid of a stay (kernels/vitals_grid.h) fed event by event, in constant time and memory.
///
/// It holds no stay itself: a stay is two pieces of plain memory, which may be copied and written to a
/// file. Its cells are what the events of its latest bins have become so far; its carry is what the
/// bins before some bin leave to it, the last value of each variable and how long ago that was. The
/// arithmetic is the kernel's own (kernels/vitals_grid_math.h): row() is to the bit the last bin that
/// vitals_grid gives for the same rows in the same order.
///
/// Const and thread-safe; nothing allocates but the constructor.
class StayGrid {
 public:
  /// \param kept        bins whose cells are held, at least 1: the open one and those before it.
  /// \param duplicates  what a second event of one variable at one time does: kAccept, both count;
  ///                    kDrop, it replaces the first one, plausible or not; kRefuse, it is left out.
  ///                    Seen only if no later event of the variable has come to that bin since.
  StayGrid(const kernels::VitalsGridSpec& spec, std::int32_t kept, io::RowPolicy duplicates);

  std::int64_t variables() const { return static_cast<std::int64_t>(columns_.size()); }
  std::int32_t steps() const { return steps_; }
  std::int32_t kept() const { return kept_; }

  /// The bin of a time in hours: -1 before the stay or if it is NaN; steps() or more after the
  /// grid.
  std::int32_t bin(double hours) const;

  std::size_t cells_bytes() const;  ///< a multiple of 8
  std::size_t carry_bytes() const;  ///< a multiple of 8

  /// A carry before the first bin.
  void start(std::byte* carry) const;
  /// Makes `bin` empty; it takes the place of bin - kept().
  void open(std::byte* cells, std::int32_t bin) const;

  /// Whether the value lies in the plausible range.
  bool plausible(std::int32_t variable, float value) const {
    return kernels::is_plausible(columns_[static_cast<std::size_t>(variable)], value);
  }
  enum class Added {
    kFresh,     ///< counted if plausible, or else left out
    kCorrects,  ///< it has taken the place of an event
    kRefused    ///< left out: there is an event of this time
  };
  /// Puts an event into a bin whose cells are held.
  Added add(std::byte* cells, std::int32_t bin, double hours, std::int32_t variable,
            float value) const;

  /// The inputs of `bin`, [D] each. `carry` must be that of the bins before it.
  void row(const std::byte* cells, const std::byte* carry, std::int32_t bin, float* values,
           float* mask, float* delta) const;
  /// Takes a bin, given as its row, into a carry.
  void carry_over(std::byte* carry, std::int32_t bin, const float* values, const float* mask) const;

 private:
  struct Before;
  kernels::GridCell* cells_of(std::byte* cells, std::int32_t bin) const;
  const kernels::GridCell* cells_of(const std::byte* cells, std::int32_t bin) const;
  Before* before_of(std::byte* cells, std::int32_t bin) const;

  std::vector<kernels::GridColumn> columns_;
  std::int32_t steps_, kept_, step_seconds_;
  float step_hours_;
  io::RowPolicy duplicates_;
};

}  // namespace salus::stream
