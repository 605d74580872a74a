#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/core/step_network.h"
#include "engine/data/stay_transform.h"
#include "engine/infer/session.h"
#include "engine/stream/event_names.h"
#include "engine/stream/stay_grid.h"

namespace salus::stream {

/// How stays are streamed. Hours are those of the stay.
///
/// The bundle's rules for rows (data::RowRules) hold for the stream too, as far as a stream can keep
/// them. Where it cannot do what reading whole stays does:
///
/// - Refuse: such a row is left out and told (StreamPool::take_refusals(), VitalsStream::fate()); all
///   else goes on, where a reader ends with an error. One wrong row must not silence a ward.
/// - Accept unsorted rows: they are put where they belong as far back as `history` reaches; later ones
///   are left out as late, where a reader sorts however late they are.
/// - A row that is left out as a future one makes no row after it an unsorted one; in a reader it does.
///   With a clock once wrong, all that comes would be left out for the rest of the stay.
/// - Duplicates are seen as StayGrid says, and only of variables that the model has.
struct StreamOptions {
  /// Closed bins that late events still reach. The bins after such an event are run again, so that the
  /// risk is that of the batch; each bin kept costs a row of cells (StayGrid), and all together a
  /// second copy of the network's state. Events later than that are counted and left out.
  std::int32_t history = 0;
  /// Corrections: events of one stay, variable and time, as StayGrid has them; without a value
  /// as the bundle's rules for rows say.
  std::optional<io::RowPolicy> duplicates = std::nullopt;
  /// Events before one of their stay that came earlier; without a value as the bundle's rules say.
  std::optional<io::RowPolicy> unsorted = std::nullopt;
  /// Later events are future ones, counted and left out; no later than the bundle's rules say, unless
  /// they accept such.
  double latest = std::numeric_limits<double>::infinity();
  double stale_after = std::numeric_limits<double>::infinity();  ///< of silence
  /// After an alarm of a label, in which it raises no other one; without a value the bundle's.
  std::optional<double> refractory = std::nullopt;
};

/// What is said of a stay.
struct Risk {
  /// Of its latest event or advance(); negative infinity: none yet.
  double time = -std::numeric_limits<double>::infinity();
  std::int32_t bin = -1;              ///< the open one; -1: none yet
  std::vector<double> probabilities;  ///< calibrated, one per label (regression: values); NaN: the
                                      ///< model, of one label a step, has seen no step
  std::vector<int> decisions;         ///< as in infer::Prediction; -1 also where there is no score
  std::vector<int> alarms;  ///< 1 where an alarm is raised now: the decision at the label's
                            ///< operating point is positive and evaluate::raise_alarm() says so
  bool stale = false;       ///< no event for `stale_after` hours

  bool alarm() const;
};

/// What became of a stay's events.
struct StreamCounts {
  std::uint32_t used = 0;           ///< in the grid
  std::uint32_t outside_range = 0;  ///< not plausible
  std::uint32_t outside_grid = 0;   ///< before time 0 or after the last bin
  std::uint32_t late = 0;           ///< of a closed bin that is not kept: left out
  std::uint32_t replayed = 0;       ///< of a closed bin that is kept
  std::uint32_t repeated = 0;       ///< of variable and time of an event before; not with kAccept
  std::uint32_t missing = 0;        ///< value NaN or infinite
  std::uint32_t timeless = 0;       ///< time NaN or infinite: left out
  std::uint32_t future = 0;         ///< after StreamOptions::latest: left out
  std::uint32_t unknown_variable = 0;  ///< count for the length of the stay, as in the batch
  std::uint32_t unknown_unit = 0;      ///< the same
  std::uint32_t unsorted = 0;          ///< before an event that came earlier: left out; not with
                                       ///< kAccept
};

struct StayHeader;

/// All that the streams of one bundle share: its network, grid and calibration. A stay is
/// state_bytes() of plain memory. Const and thread-safe.
class StreamModel {
 public:
  /// \throws UsageError if the bundle is not of vital signs; Error if its model looks ahead, so that
  ///         it cannot be streamed.
  StreamModel(const infer::Session& session, const StreamOptions& options = {});
  /// \param network  of the bundle's weights. \throws as above, also if it is null.
  StreamModel(const infer::Bundle& bundle, std::shared_ptr<const StepNetwork> network,
              const StreamOptions& options = {});

  const StreamOptions& options() const { return options_; }  ///< all with a value
  /// Whether the rules refuse events of this fate: whoever sent them is to be told.
  bool refuses(Fate fate) const;
  const std::vector<std::string>& labels() const { return bundle_.task.labels; }
  const Task& task() const { return bundle_.task; }
  const data::VariableTable& variables() const { return transform_.variables(); }
  const StayGrid& grid() const { return grid_; }
  const StepNetwork& network() const { return *network_; }
  /// SHA-256 of weights, transform, calibration and operating points, in hex.
  const std::string& identity() const { return identity_; }

  std::size_t state_bytes() const { return state_bytes_; }
  std::int64_t static_width() const { return static_width_; }

  /// Static inputs [S] of the stays of a table as read, as the batch has them: [N, S]. The table is
  /// rewritten.
  at::Tensor statics(io::VitalsTable& table) const;
  /// Those of a stay of which nothing is known, [S].
  const std::vector<float>& no_statics() const { return no_statics_; }

  /// Makes a state that of a stay before its first event. \param statics  [S]
  void start(std::byte* state, std::span<const float> statics) const;
  /// From the logits in a state to what is said.
  /// \param risk   of this model before, or made by blank_risk().
  /// \param raise  a row has come: alarms are raised, and remembered. Or else nothing is raised.
  void judge(std::byte* state, Risk& risk, bool raise) const;
  Risk blank_risk() const;
  /// False for bytes that no start() and run of events can have made: they are damaged.
  bool plausible(const std::byte* state) const;

  // The parts of a state.
  StayHeader& header(std::byte* state) const { return *reinterpret_cast<StayHeader*>(state); }
  const StayHeader& header(const std::byte* state) const {
    return *reinterpret_cast<const StayHeader*>(state);
  }
  double* alarms(std::byte* state) const { return at<double>(state, alarms_at_); }  ///< [L]
  float* logits(std::byte* state) const { return at<float>(state, logits_at_); }    ///< [L]
  float* statics(std::byte* state) const { return at<float>(state, statics_at_); }  ///< [S]
  std::byte* cells(std::byte* state) const { return state + cells_at_; }
  /// What the bins before some bin have left behind, in grid and network.
  struct Past {
    std::int32_t* bin;  ///< the first one that is not in it
    std::byte* carry;
    std::byte* network;
  };
  /// Before the open bin, or before a bin that a late event has changed.
  Past head(std::byte* state) const;
  /// Before the oldest bin that is kept; the same as head() with no history.
  Past base(std::byte* state) const;
  /// head() goes back to base().
  void rewind(std::byte* state) const;

 private:
  template <typename T>
  static T* at(std::byte* state, std::size_t offset) {
    return reinterpret_cast<T*>(state + offset);
  }
  void lay_out();

  infer::Bundle bundle_;  ///< without its weights
  data::StayTransform transform_;
  StreamOptions options_;
  io::RowPolicy future_;
  StayGrid grid_;
  std::shared_ptr<const StepNetwork> network_;
  std::vector<bool> raises_;  ///< [L] the label has an operating point
  std::string identity_;
  std::vector<float> no_statics_;
  std::int64_t static_width_;
  std::size_t alarms_at_ = 0, logits_at_ = 0, statics_at_ = 0, cells_at_ = 0, head_at_ = 0,
              base_at_ = 0, state_bytes_ = 0;
};

/// What stands first in a state.
struct StayHeader {
  double clock = -std::numeric_limits<double>::infinity();  ///< latest time of an event or advance
  double now = -std::numeric_limits<double>::infinity();    ///< latest that was looked at
  double heard = -std::numeric_limits<double>::infinity();  ///< time of the latest event
  double arrived = 0;               ///< when it came, by the clock of a pool's owner, in hours
  std::int32_t open = -1;           ///< the open bin
  std::int32_t head = 0, base = 0;  ///< bins of head() and base()
  std::int32_t silent = 0;          ///< 1: a pool has heard nothing for long
  StreamCounts counts;
};

}  // namespace salus::stream
