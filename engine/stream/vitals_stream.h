#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/stream/event_names.h"
#include "engine/stream/stay_batch.h"
#include "engine/stream/stream_model.h"

namespace salus::stream {

/// One stay, scored row by row: after every event its risk is what infer::Session says of the stay cut
/// there, to 1e-6 in the probability (for a model of one label a step: of its last step). Constant time
/// and memory whatever the length of the stay; nothing is allocated after construction, but that an
/// unknown name or another spelling is remembered when it first comes (EventNames).
///
/// - An event of the open bin counts at once; the bin is scored as the batch grid scores a stay cut
///   there. An event of a later bin closes those before it; bins without an event are filled forward.
/// - Events of a closed bin are late: with StreamOptions::history = K, those at most K bins late are put
///   where they belong and the bins after them are run again; others are counted and left out.
/// - Corrections, which have variable and time of an event before: StreamOptions::duplicates. Events
///   before one that came earlier: StreamOptions::unsorted. What those refuse is left out: fate().
/// - Events before time 0 are counted and left out. Events after the transform's last bin are left out
///   too, but end the stay: its last bin opens, and stays open.
/// - Values that are missing or times that are no numbers are counted and change nothing. Values
///   outside of the plausible range and unknown variables and units are left out, but the stay is as
///   long as they say, as in the batch.
/// - Rows of one bin that come in another order than that of their times sum up in the order in which
///   they come, where the batch reader sorts them: for sums and means the risk may differ by rounding.
/// - A stay without events for `stale_after` hours is stale: look(now) flags it and says again what was
///   said of its last bin. advance(time) moves it on, as an event would that measures nothing; its empty
///   bins are then filled forward and scored.
/// - No alarm is taken back when a late event changes what was said.
///
/// Not thread-safe; streams of one model may run on as many threads.
class VitalsStream {
 public:
  /// \param statics  [S], StreamModel::statics(); empty: nothing is known.
  /// \throws Error for another number of them.
  explicit VitalsStream(std::shared_ptr<const StreamModel> model,
                        std::span<const float> statics = {});

  /// The result is valid until the next call.
  const Risk& push(const StreamEvent& event);
  const Risk& advance(double time);
  const Risk& look(double now);
  const Risk& risk() const { return risk_; }

  const StreamCounts& counts() const;
  /// What became of the latest event.
  Fate fate() const { return fate_; }
  /// Sentences about names and units that are not known, each once.
  std::vector<std::string> take_notes() { return names_.take_notes(); }

  /// The stay as bytes, which any stream of the same bundle and options goes on from.
  std::vector<std::byte> save() const;
  /// \throws Error for bytes that are damaged or of another bundle or options; the stay is then as it
  ///         was.
  void restore(std::span<const std::byte> bytes);

 private:
  const Risk& run(MappedEvent event);
  std::byte* state() { return reinterpret_cast<std::byte*>(state_.data()); }

  std::shared_ptr<const StreamModel> model_;
  EventNames names_;
  StayBatch batch_;
  std::vector<std::uint64_t> state_;
  Risk risk_;
  Fate fate_ = Fate::kNothing;
};

}  // namespace salus::stream
