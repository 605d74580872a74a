#include "engine/io/wfdb_windows.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/io/error.h"

namespace salus::io {
namespace {

constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Samples [begin, end) over which one rhythm holds.
struct Rhythm {
  std::int64_t begin = 0, end = 0;
  std::string name;
};

std::vector<Rhythm> rhythms_of(const std::vector<WfdbAnnotation>& annotations,
                               std::int64_t length) {
  std::vector<Rhythm> rhythms;
  for (const WfdbAnnotation& mark : annotations) {
    if (mark.symbol != "+" || !mark.text.starts_with('(')) continue;
    if (!rhythms.empty()) rhythms.back().end = mark.sample;
    rhythms.push_back({mark.sample, length, mark.text});
  }
  return rhythms;
}

/// Cuts one record.
class Cutter {
 public:
  Cutter(const WfdbRecord& record, const std::vector<WfdbAnnotation>* annotations,
         const WfdbWindows& windows)
      : record_(record), windows_(windows), annotated_(annotations != nullptr) {
    if (!annotated_) return;
    annotations_ = *annotations;
    std::stable_sort(annotations_.begin(), annotations_.end(), before);
    rhythms_ = rhythms_of(annotations_, record.length);
  }

  std::vector<WfdbWindow> in_turn() const {
    const std::int64_t length = std::max<std::int64_t>(samples(windows_.length), 1);
    const std::int64_t every = std::max<std::int64_t>(samples(windows_.every), 1);
    std::vector<WfdbWindow> all;
    for (std::int64_t begin = 0; begin < record_.length; begin += every) {
      const std::int64_t end = std::min(begin + length, record_.length);
      all.push_back({begin, end, fmt::format("{}", begin), labels_of(begin, end)});
      if (end == record_.length) break;
    }
    return all;
  }

  std::vector<WfdbWindow> around_annotations() const {
    if (!annotated_) {
      throw Error(fmt::format(
          "The record \"{}\" has no annotations ({}.{}) to cut windows around; put the file beside "
          "its header, or cut windows of a length.",
          record_.name, record_.name, windows_.annotator));
    }
    std::vector<WfdbWindow> all;
    std::int64_t last = -1;
    int same = 0;  // annotations of sample `last` so far
    for (const WfdbAnnotation& mark : annotations_) {
      if (!has(windows_.at, mark.symbol) || mark.sample >= record_.length) continue;
      same = mark.sample == last ? same + 1 : 1;
      last = mark.sample;
      std::vector<float> labels;
      for (const WfdbLabel& label : windows_.labels) {
        labels.push_back(has(label.marks, mark.symbol) ||
                         in_rhythm(mark.sample, mark.sample + 1, label));
      }
      all.push_back({mark.sample - samples(windows_.before), mark.sample + samples(windows_.after),
                     same == 1 ? fmt::format("{}", last) : fmt::format("{}.{}", last, same),
                     std::move(labels)});
    }
    return all;
  }

 private:
  static bool before(const WfdbAnnotation& a, const WfdbAnnotation& b) {
    return a.sample < b.sample;
  }

  std::int64_t samples(double seconds) const {
    return static_cast<std::int64_t>(std::llround(seconds * record_.frequency));
  }

  bool in_rhythm(std::int64_t begin, std::int64_t end, const WfdbLabel& label) const {
    return std::any_of(rhythms_.begin(), rhythms_.end(), [&](const Rhythm& rhythm) {
      return rhythm.begin < end && rhythm.end > begin && has(label.marks, rhythm.name);
    });
  }

  /// Of samples [begin, end).
  std::vector<float> labels_of(std::int64_t begin, std::int64_t end) const {
    std::vector<float> labels(windows_.labels.size(), kUnknown);
    if (!annotated_) return labels;
    const auto from = [this](std::int64_t sample) {
      return std::lower_bound(annotations_.begin(), annotations_.end(),
                              WfdbAnnotation{.sample = sample}, before);
    };
    for (std::size_t l = 0; l < labels.size(); ++l) {
      const WfdbLabel& label = windows_.labels[l];
      labels[l] = in_rhythm(begin, end, label) ||
                  std::any_of(from(begin), from(end), [&](const WfdbAnnotation& mark) {
                    return has(label.marks, mark.symbol);
                  });
    }
    return labels;
  }

  const WfdbRecord& record_;
  const WfdbWindows& windows_;
  bool annotated_;
  std::vector<WfdbAnnotation> annotations_;  ///< in order of time
  std::vector<Rhythm> rhythms_;
};

}  // namespace

const std::vector<std::string>& wfdb_beats() {
  static const std::vector<std::string> kBeats = {"N", "L", "R", "a", "V", "F", "J", "A", "S", "E",
                                                  "j", "/", "Q", "B", "?", "!", "e", "n", "f", "r"};
  return kBeats;
}

std::vector<WfdbWindow> cut_windows(const WfdbRecord& record,
                                    const std::vector<WfdbAnnotation>* annotations,
                                    const WfdbWindows& windows) {
  const Cutter cutter(record, annotations, windows);
  return windows.length > 0 ? cutter.in_turn() : cutter.around_annotations();
}

}  // namespace salus::io
