#include "engine/io/wfdb_segments.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <unordered_map>

#include "engine/io/error.h"
#include "engine/io/wfdb_signals.h"

namespace salus::io {
namespace {

constexpr int kNowhere = -1;
constexpr std::int64_t kScaleSamples = sizeof(WfdbScale) / sizeof(std::int32_t);  ///< as large

/// A segment, which may stand in several places.
struct Segment {
  WfdbHeader header;
  std::vector<int> places;           ///< of its signals among those of the record, or kNowhere
  std::vector<std::int64_t> begins;  ///< in samples of the record, in the order of the header

  bool gives(std::size_t signal) const {
    return places[signal] != kNowhere && header.lines[signal].stored();
  }
};

class Joiner {
 public:
  Joiner(WfdbHeader master, std::int64_t most_gaps)
      : master_(std::move(master)), gaps_(master_, most_gaps) {}

  WfdbRecord join() {
    const bool variable = !lines().front().gap() && lines().front().length == 0;
    if (variable) take_layout(lines().front());
    read_headers(variable);
    place(variable);
    for (auto& [name, segment] : segments_) check_wfdb_files(segment.header);
    for (WfdbSignal& signal : signals()) {
      signal.samples.assign(static_cast<std::size_t>(master_.record.length), WfdbSignal::kInvalid);
    }
    for (const auto& [name, segment] : segments_) read(segment);
    return std::move(master_.record);
  }

 private:
  const std::vector<WfdbSegmentLine>& lines() const { return master_.segments; }
  std::vector<WfdbSignal>& signals() { return master_.record.signals; }
  [[noreturn]] void fail(const WfdbSegmentLine& line, const std::string& what) const {
    master_.fail(line.line, what);
  }

  [[noreturn]] static void fail_twice(const WfdbHeader& header, const WfdbSignalLine& line) {
    header.fail(line.line,
                fmt::format("describes a second \"{}\", but by their descriptions the signals of a "
                            "layout are found in its segments",
                            line.signal.description));
  }

  /// The header of a segment, which must be as the line says.
  WfdbHeader open(const WfdbSegmentLine& line) const {
    WfdbHeader header = read_wfdb_header(master_.folder() + line.name + ".hea");
    if (header.several) {
      fail(line, fmt::format("names {}, a record of several segments itself; segments of segments "
                             "cannot be read",
                             line.name));
    }
    if (header.record.frequency != master_.record.frequency) {
      fail(line, fmt::format("names {}, sampled at {} Hz, but the record is at {}", line.name,
                             header.record.frequency, master_.record.frequency));
    }
    return header;
  }

  void check_length(const WfdbSegmentLine& line, const WfdbHeader& header) const {
    if (header.record.length == line.length) return;
    fail(line, fmt::format("states {} samples for {}, whose header states {}", line.length,
                           line.name, header.record.length));
  }

  void take_layout(const WfdbSegmentLine& line) {
    WfdbHeader header = open(line);
    check_length(line, header);
    for (WfdbSignalLine& layout : header.lines) {
      if (!by_description_.emplace(layout.signal.description, signals().size()).second) {
        fail_twice(header, layout);
      }
      layout.signal.format = 0;
      signals().push_back(std::move(layout.signal));
    }
  }

  /// Every segment's header, once, and where its signals belong.
  void read_headers(bool variable) {
    for (const WfdbSegmentLine& line : lines_after(variable)) {
      if (line.length == 0) fail(line, "states no samples, as only the first segment may");
      if (line.gap()) continue;
      auto found = segments_.find(line.name);
      if (found == segments_.end()) {
        found = segments_.emplace(line.name, Segment{open(line), {}, {}}).first;
        if (!variable && segments_.size() == 1) {
          for (const auto& own : found->second.header.lines) signals().push_back(own.signal);
        }
        match(line, found->second, variable);
      }
      check_length(line, found->second.header);
    }
    if (static_cast<std::size_t>(master_.signals) == signals().size()) return;
    throw Error(fmt::format("{} announces {} signals, but {} {}.", master_.origin, master_.signals,
                            variable ? "its layout has" : "its segments have", signals().size()));
  }

  std::span<const WfdbSegmentLine> lines_after(bool layout) const {
    return std::span(lines()).subspan(layout ? 1 : 0);
  }

  void match(const WfdbSegmentLine& line, Segment& segment, bool variable) {
    const auto& own = segment.header.lines;
    if (!variable && own.size() != signals().size()) {
      fail(line, fmt::format("names {} with {} signals, but the first segment has {}", line.name,
                             own.size(), signals().size()));
    }
    std::set<int> taken;
    for (std::size_t s = 0; s < own.size(); ++s) {
      const int place = variable ? place_of(own[s].signal) : static_cast<int>(s);
      if (place != kNowhere && !taken.insert(place).second) {
        fail_twice(segment.header, own[s]);
      }
      segment.places.push_back(place);
      if (!segment.gives(s)) continue;
      agree(segment.header, own[s], signals()[static_cast<std::size_t>(place)]);
    }
  }

  int place_of(const WfdbSignal& signal) const {
    const auto found = by_description_.find(signal.description);
    return found == by_description_.end() ? kNowhere : static_cast<int>(found->second);
  }

  /// A signal is what the first segment that has samples of it says; the others must agree.
  static void agree(const WfdbHeader& header, const WfdbSignalLine& own, WfdbSignal& signal) {
    if (signal.format == 0) {
      signal = own.signal;
    } else if (own.signal.description != signal.description || own.signal.unit != signal.unit) {
      header.fail(
          own.line,
          fmt::format("describes \"{}\" in {}, but a segment before has \"{}\" in {} there",
                      own.signal.description, own.signal.unit, signal.description, signal.unit));
    }
  }

  /// Where every segment begins, and how much of the record no file holds.
  void place(bool variable) {
    const auto all = static_cast<std::int64_t>(signals().size());
    std::int64_t begin = 0;
    for (const WfdbSegmentLine& line : lines_after(variable)) {
      if (line.gap()) {
        gaps_.add(line.length * all);
      } else {
        Segment& segment = segments_.at(line.name);
        // A segment that stands again is a copy, with a scale for each signal at the most.
        gaps_.add(segment.begins.empty() ? line.length * (all - of_own_files(segment))
                                         : (line.length + kScaleSamples) * all);
        segment.begins.push_back(begin);
        rescale(segment, begin);
      }
      begin += line.length;
      if (begin > kMostWfdbSamples) fail(line, "ends beyond the longest record that can be read");
    }
    if (master_.record.length > 0 && master_.record.length != begin) {
      throw Error(fmt::format("{} states {} samples of each signal, but its segments have {}.",
                              master_.origin, master_.record.length, begin));
    }
    master_.record.length = signals().empty() ? 0 : begin;
  }

  /// Signals that a segment gives from files which no segment before it names.
  std::int64_t of_own_files(const Segment& segment) {
    std::int64_t count = 0;
    std::set<std::string> own;
    for (std::size_t s = 0; s < segment.places.size(); ++s) {
      const std::string& file = segment.header.lines[s].signal.file;
      if (!segment.gives(s) || files_.contains(file)) continue;
      own.insert(file);
      ++count;
    }
    files_.merge(own);
    return count;
  }

  void rescale(const Segment& segment, std::int64_t begin) {
    for (std::size_t s = 0; s < segment.places.size(); ++s) {
      if (!segment.gives(s)) continue;
      const WfdbSignal& own = segment.header.lines[s].signal;
      WfdbSignal& signal = signals()[static_cast<std::size_t>(segment.places[s])];
      const WfdbScale before = signal.scale_at(begin);
      if (before.gain == own.gain && before.baseline == own.baseline) continue;
      signal.rescaled.push_back({begin, own.gain, own.baseline});
    }
  }

  void read(const Segment& segment) {
    std::vector<std::int32_t*> targets(segment.places.size());
    for (std::size_t s = 0; s < targets.size(); ++s) {
      if (segment.gives(s)) targets[s] = samples_of(segment, s) + segment.begins[0];
    }
    read_wfdb_files(segment.header, targets);
    for (std::size_t s = 0; s < segment.places.size(); ++s) {
      if (!segment.gives(s)) continue;
      for (const std::int64_t begin : std::span(segment.begins).subspan(1)) {
        std::copy_n(targets[s], segment.header.record.length, samples_of(segment, s) + begin);
      }
    }
  }

  std::int32_t* samples_of(const Segment& segment, std::size_t s) {
    return signals()[static_cast<std::size_t>(segment.places[s])].samples.data();
  }

  WfdbHeader master_;
  WfdbGaps gaps_;
  std::unordered_map<std::string, std::size_t> by_description_;  ///< signals of the layout
  std::map<std::string, Segment> segments_;                      ///< by their names
  std::set<std::string> files_;  ///< that segments placed so far name
};

}  // namespace

WfdbRecord join_wfdb_segments(WfdbHeader master, std::int64_t most_gaps) {
  return Joiner(std::move(master), most_gaps).join();
}

}  // namespace salus::io
