#include "tools/follow.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_set>

#include "engine/io/error.h"
#include "engine/io/stop_signals.h"
#include "engine/stream/event_rows.h"
#include "engine/stream/followed_input.h"
#include "engine/stream/snapshot.h"
#include "engine/stream/statics_file.h"
#include "engine/stream/stream_remarks.h"
#include "tools/command.h"
#include "tools/scores_json.h"

namespace salus::tools {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr int kWaitMilliseconds = 500;

/// Hours of the system's clock: by it a restarted program knows how long stays have been silent.
double hours_now() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::ratio<3600>>(since).count();
}

class Follower {
 public:
  Follower(const infer::Session& session, const FollowOptions& options, const std::string& input,
           const std::string& statics)
      : options_(options),
        model_(std::make_shared<stream::StreamModel>(session, options.stream)),
        pool_(model_, options.pool, statics_of(statics)),
        input_(input, stop_.descriptor()),
        origin_(input == "-" ? "standard input" : input),
        rows_(origin_) {
    restore();
  }

  int run() {
    const auto state = [&](std::string_view& text) { return input_.read(text, kWaitMilliseconds); };
    std::string_view text;
    for (auto got = state(text); got != stream::FollowedInput::State::kEnd; got = state(text)) {
      if (!text.empty()) take(rows_.read(text, malformed_));
      keep_house();
    }
    if (stop_.received() == 0) take(rows_.finish(malformed_));
    const int status = tell_tally();
    save();
    return status;
  }

 private:
  stream::StreamPool::StaticsOf statics_of(const std::string& path) {
    if (path.empty()) return {};
    statics_.emplace(path, model_);
    return [this](std::string_view stay) -> std::span<const float> {
      try {
        return statics_->find(stay);
      } catch (const Error& error) {  // it may be half written: the stay goes on without
        io::say_on_stderr(error.what());
        return {};
      }
    };
  }

  void restore() {
    if (options_.snapshot.empty() || !std::filesystem::exists(options_.snapshot)) return;
    const std::int64_t position = pool_.restore(options_.snapshot);
    if (!input_.is_file()) return;
    if (position > input_.size()) {
      throw Error(
          fmt::format("The input has {} bytes, but {} were read of it before the snapshot {}: it "
                      "is another file. "
                      "Name that one, or begin anew without the snapshot.",
                      input_.size(), position, options_.snapshot));
    }
    rows_.skip_to(position);
  }

  /// Pushes the rows, no two of a stay at once, so that each is answered however many came together;
  /// one that discharges its stay comes into effect where it stands.
  void take(const std::vector<stream::PoolEvent>& rows) {
    const std::span<const stream::PoolEvent> all(rows);
    std::unordered_set<std::string_view> waiting;  // stays of the rows from `begin` on
    std::size_t begin = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const bool discharges =
          !options_.discharge.empty() && all[i].event.variable == options_.discharge;
      if (!discharges && waiting.insert(all[i].stay).second) continue;
      push(all.subspan(begin, i - begin));
      waiting.clear();
      begin = i;
      if (discharges) {
        pool_.discharge(all[i].stay);
        ++discharges_;
        ++begin;
      } else {
        waiting.insert(all[i].stay);
      }
    }
    push(all.subspan(begin));
    flush_results();
  }

  void push(std::span<const stream::PoolEvent> rows) {
    if (rows.empty()) return;
    const std::int64_t position = input_.is_file() ? rows_.position() : 0;
    pool_.push(rows, hours_now(), print_, position);
    for (const auto& note : pool_.take_notes()) io::say_on_stderr(note);
    for (const auto& refusal : pool_.take_refusals()) {
      print_skipped(fmt::format("{} line {}: {}; the row is refused.", origin_, refusal.line,
                                stream::refusal_reason(refusal.fate)));
    }
    if (pool_.turned_away() == turned_away_) return;
    io::say_on_stderr(
        fmt::format("{} rows are of stays beyond the {} there is room for; raise --capacity.",
                    pool_.turned_away() - turned_away_, options_.pool.capacity));
    turned_away_ = pool_.turned_away();
  }

  /// What became of the rows, on stderr. \returns the exit status.
  int tell_tally() const {
    const stream::StreamTally tally{pool_.fates(), unreadable_, turned_away_, discharges_};
    if (const auto remarks = stream::stream_remarks(tally, *model_); !remarks.empty()) {
      io::say_on_stderr(remarks);
    }
    const std::int64_t skipped = stream::skipped_rows(tally, *model_);
    if (skipped == 0) return kDone;
    io::say_on_stderr(fmt::format("{} of {} rows were skipped.", skipped, stream::rows_of(tally)));
    return kSomeSkipped;
  }

  void keep_house() {
    pool_.sweep(hours_now(), print_);
    flush_results();
    const std::chrono::duration<double> since = Clock::now() - saved_;
    if (since.count() >= options_.snapshot_every) save_or_tell();
  }

  void save() {
    if (!options_.snapshot.empty()) pool_.save(options_.snapshot);
  }

  /// A disk that is full for a while ends no stream: the next snapshot is tried when it is due.
  void save_or_tell() {
    saved_ = Clock::now();
    try {
      save();
    } catch (const std::exception& error) {
      io::say_on_stderr(
          fmt::format("{} No snapshot was kept; the stream goes on and tries again in {} s.",
                      error.what(), options_.snapshot_every));
    }
  }

  void print(std::string_view stay, const stream::Risk& risk) const {
    const Task& task = model_->task();
    Json line;
    line["id"] = stay;
    line["time"] = risk.time;
    put_scores(task, risk.probabilities, risk.decisions, line);
    for (std::size_t i = 0; i < task.labels.size(); ++i) {
      line["alarms"][task.labels[i]] = risk.alarms[i] == 1;
    }
    line["stale"] = risk.stale;
    print_line(line);
  }

  FollowOptions options_;
  std::shared_ptr<const stream::StreamModel> model_;
  std::optional<stream::StaticsFile> statics_;
  stream::StreamPool pool_;
  io::StopSignals stop_;  ///< ends the reading
  stream::FollowedInput input_;
  std::string origin_;  ///< as errors name the input
  stream::EventRows rows_;
  stream::EventRows::Malformed malformed_ = [this](std::int64_t, const std::string& what) {
    print_skipped(what);
    ++unreadable_;
  };
  stream::StreamPool::Scored print_ = [this](std::string_view stay, const stream::Risk& risk) {
    print(stay, risk);
  };
  Clock::time_point saved_ = Clock::now();
  std::int64_t unreadable_ = 0, turned_away_ = 0, discharges_ = 0;
};

}  // namespace

void FollowOptions::add_to(CLI::App& app) {
  const std::map<std::string, io::RowPolicy> policies = {{"accept", io::RowPolicy::kAccept},
                                                         {"drop", io::RowPolicy::kDrop},
                                                         {"refuse", io::RowPolicy::kRefuse}};
  app.add_flag(
      "--follow", on,
      "Stays: read rows (stay_id,time,variable,value[,unit]) from standard input (-) or a "
      "growing file, and write risks as they come. The bundle's rules for unsorted, future "
      "and duplicate rows hold; a row they refuse is told and left out, and ends nothing");
  app.add_option(
         "--snapshot", snapshot,
         "--follow: keep the state of all stays in this file, the one before in FILE.previous")
      ->type_name("FILE");
  app.add_option("--snapshot-every", snapshot_every, "--follow: seconds between snapshots")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option(
         "--history", stream.history,
         "--follow: bins by which a row may be late; later ones are dropped, as nothing is sorted "
         "beyond them")
      ->capture_default_str();
  app.add_option_function<io::RowPolicy>(
         "--duplicates", [this](const io::RowPolicy& policy) { stream.duplicates = policy; },
         "--follow: a second row of a variable at a time: accept, drop (it replaces the first) or "
         "refuse (default: the bundle's)")
      ->transform(CLI::CheckedTransformer(policies));
  app.add_option("--refractory", stream.refractory,
                 "--follow: hours between two alarms of a stay (default: the bundle's)");
  app.add_option("--stale-after", stream.stale_after,
                 "--follow: hours of silence after which a stay is said to be stale");
  app.add_option("--evict-after", pool.evict_after,
                 "--follow: hours of silence after which a stay is let go");
  app.add_option("--discharge", discharge, "--follow: rows of this variable end their stay");
  app.add_option("--capacity", pool.capacity, "--follow: stays at one time")->capture_default_str();
}

int follow(const infer::Session& session, const FollowOptions& options, const std::string& input,
           const std::string& statics) {
  if (!options.snapshot.empty()) stream::require_snapshot_writable(options.snapshot);
  return Follower(session, options, input, statics).run();
}

}  // namespace salus::tools
