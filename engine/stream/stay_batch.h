#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/stream/event_names.h"
#include "engine/stream/stream_model.h"

namespace salus::stream {

/// A stay that has new events.
struct StayWork {
  std::byte* state = nullptr;
  std::int32_t event = -1;  ///< the first of them; the others by MappedEvent::next
  std::int32_t goal = -1;   ///< bin that is to become the open one
  bool changed = false;     ///< the score is no longer that of the state
};

/// Takes events into states and scores them, up to `most` stays as one batch. Allocates when it is
/// made and never again. Not thread-safe.
///
/// Closing a bin steps the network of the state over it; the open bin is scored on a copy, so that it
/// can grow on. Each round steps every stay that still has bins to close by one of them.
class StayBatch {
 public:
  StayBatch(const StreamModel& model, std::int64_t most);
  StayBatch(const StayBatch&) = delete;
  StayBatch& operator=(const StayBatch&) = delete;

  std::int64_t most() const { return most_; }

  /// \param events  their fates are set.
  /// \param stays   at most most(), no two of one state; their logits are then those of all events.
  void run(std::span<MappedEvent> events, std::span<StayWork> stays);

 private:
  bool prepare(std::span<MappedEvent> events, StayWork& stay);
  bool next_step(StayWork& stay);
  Fate fate_before_bins(const MappedEvent& event, const StayHeader& header) const;
  bool take(MappedEvent& event, StayWork& stay);
  Fate put(const MappedEvent& event, std::int32_t bin, StayWork& stay);
  void add_row(std::byte* state, const StreamModel::Past& past, std::byte* network);
  void step();
  void score(std::span<StayWork> stays);

  const StreamModel& model_;
  std::int64_t most_, rows_ = 0;
  std::vector<float> values_, mask_, delta_, statics_, logits_;
  std::vector<StreamModel::Past> pasts_;  ///< of the rows
  std::vector<std::byte*> networks_;      ///< of the rows
  std::vector<std::uint64_t> copies_;     ///< of networks, for the open bins
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  std::vector<Line> workspace_;
};

}  // namespace salus::stream
