#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/stream/event_names.h"
#include "engine/stream/state_slab.h"
#include "engine/stream/stay_batch.h"
#include "engine/stream/stream_model.h"

namespace salus::stream {

struct PoolOptions {
  std::int64_t capacity = 100'000;  ///< stays at one time
  std::int64_t batch = 64;          ///< stays stepped at once; the risks do not depend on it
  /// Stays that have been silent for so many hours by the caller's clock are let go by sweep().
  double evict_after = std::numeric_limits<double>::infinity();
};

/// An event of a stay.
struct PoolEvent {
  std::string_view stay;
  StreamEvent event;
  std::int64_t line = 0;  ///< of its source, as it is named in a Refusal; 0: it has none
};

/// An event that StreamModel::refuses().
struct Refusal {
  std::int64_t line = 0;
  Fate fate = Fate::kNothing;
};

/// Many stays, each treated as VitalsStream treats one; the risks are the same to the bit.
///
/// Stays are kept in a slab, bytes_per_stay() each, and found by id (at most kMostIdBytes long) in a
/// hash table. Stays come by themselves with their first event and go by discharge() or sweep(). The
/// events of one call are scored as batches over stays, whichever have some.
///
/// `now` is the caller's clock in hours since any moment, the same over restarts (as the system's): by
/// it the pool knows which stays are silent, while nothing of them comes.
///
/// Thread-safe: calls take turns. Callbacks run within the call, in order of the stays' first event in
/// it, and must not call the pool.
class StreamPool {
 public:
  static constexpr std::size_t kMostIdBytes = 256;

  using Scored = std::function<void(std::string_view stay, const Risk& risk)>;
  /// Static inputs [S] of a stay that comes, or an empty span if nothing is known of it.
  using StaticsOf = std::function<std::span<const float>(std::string_view stay)>;

  /// \throws UsageError for a capacity or batch below 1, or more than 2^30 stays.
  StreamPool(std::shared_ptr<const StreamModel> model, const PoolOptions& options = {},
             StaticsOf statics = {});

  /// Takes events in any order of stays and scores each stay once, after the last of its events.
  /// Events of a stay for which there is no room, or without an id or with one too long, are left out
  /// and counted as turned_away().
  /// \param position  how much of the caller's source is taken with this, for save(); -1: as before.
  void push(std::span<const PoolEvent> events, double now, const Scored& scored,
            std::int64_t position = -1);

  /// \returns false if there is no such stay.
  bool discharge(std::string_view stay);

  /// Flags stays that have become stale and hands them to `stale`, each once until it is heard again;
  /// then lets go those that are silent for longer than `evict_after`. \returns how many.
  std::int64_t sweep(double now, const Scored& stale);

  bool contains(std::string_view stay) const;
  std::int64_t size() const;
  std::int64_t turned_away() const;
  /// What has become of all events since the pool was made, but for those that were turned away.
  FateCounts fates() const;
  /// Of the latest push(), in order of its events.
  std::vector<Refusal> take_refusals();
  /// Sentences about names and units that are not known, each once.
  std::vector<std::string> take_notes();
  /// What a stay takes in memory: its state, its place in the lists, its id in the hash table.
  std::size_t bytes_per_stay() const;

  /// Writes all stays as they are between two calls (write_snapshot()); events may go on coming
  /// meanwhile, and wait only while the states are copied. \throws Error.
  void save(const std::string& path) const;
  /// Takes the stays of a snapshot instead of its own. \returns the position. \throws Error as
  /// read_snapshot(), or if there are more of them than the pool's capacity; it is then as it was. Of a
  /// damaged one the error names the snapshot before it, if that is there, and says how to go on from it.
  std::int64_t restore(const std::string& path);

 private:
  /// A stay, beside its state. Those that are there form a list, the longest silent one first.
  struct Slot {
    const std::string* id = nullptr;  ///< the key in the table; null: free
    std::int32_t before = -1, after = -1;
    std::int32_t first = -1, last = -1;  ///< of its events in this call
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view id) const { return std::hash<std::string_view>()(id); }
  };
  using Table = std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>>;
  /// All that a snapshot holds, so that a restored one is put in place at once.
  struct Stays {
    explicit Stays(std::size_t state_bytes) : slab(state_bytes) {}
    StateSlab slab;
    std::vector<Slot> slots;
    Table table;
    std::int32_t oldest = -1, newest = -1;

    std::int32_t add(std::string_view id);
    void remove(std::int32_t number);
    void link_newest(std::int32_t number);
    void unlink(std::int32_t number);
  };

  std::int32_t find_or_admit(std::string_view id);
  void queue(const PoolEvent& event);
  void score_touched(double now, const Scored& scored);
  void count_fates();
  std::int64_t read_stays(const std::string& path, Stays& restored) const;

  std::shared_ptr<const StreamModel> model_;
  PoolOptions options_;
  StaticsOf statics_;
  EventNames names_;
  StayBatch batch_;
  Stays stays_;
  std::vector<MappedEvent> events_;    ///< of this call
  std::vector<std::int32_t> touched_;  ///< stays that have some
  std::vector<StayWork> work_;
  std::vector<Refusal> refusals_;
  FateCounts fates_ = {};
  Risk risk_;
  std::int64_t turned_away_ = 0, position_ = 0;
  mutable std::mutex mutex_;
};

}  // namespace salus::stream
