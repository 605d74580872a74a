#include <fmt/core.h>

#include <array>
#include <unordered_map>

#include "engine/io/error.h"
#include "engine/io/table.h"
#include "engine/io/vitals_labels.h"
#include "engine/io/vitals_rows.h"

namespace salus::io {
namespace {

constexpr std::array<std::string_view, 5> kStatics = {"Age", "Gender", "Height", "ICUType",
                                                      "Weight"};
constexpr std::size_t kWeight = 4;

/// "37:05" in hours; nothing if it is not one to six digits, a colon and minutes below 60.
std::optional<double> parse_clock(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == 0 || colon > 6 || colon == std::string_view::npos || text.size() != colon + 3) {
    return std::nullopt;
  }
  int minutes = 0, hours = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i == colon) continue;
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    int& number = i < colon ? hours : minutes;
    number = number * 10 + (text[i] - '0');
  }
  if (minutes > 59) return std::nullopt;
  return (hours * 60 + minutes) / 60.0;
}

/// One file of the challenge.
class StayParser {
 public:
  StayParser(const TextMember& member, const VitalsOptions& options, VitalsWorker& worker)
      : member_(member), options_(options), worker_(worker), lines_(member.text) {}

  StayRows parse() {
    stay_.id = member_.name;
    stay_.statics.assign(kStatics.size(), kMissing);
    std::string_view line;
    if (!lines_.next(line) || line != "Time,Parameter,Value") {
      throw Error(
          fmt::format("{} line 1 is not \"Time,Parameter,Value\"; it is no stay of the "
                      "PhysioNet 2012 challenge.",
                      member_.origin));
    }
    stay_.rows.reserve(member_.text.size() / 16);
    while (lines_.next(line)) {
      if (!line.empty()) add(line);
    }
    settle_rows(stay_.rows, options_, member_.origin, worker_.counts, worker_.names);
    return std::move(stay_);
  }

 private:
  [[noreturn]] void fail(std::string_view column, int number, const std::string& what) const {
    fail_at(member_.origin, lines_.number(), column, number, what);
  }

  void add(std::string_view line) {
    const std::size_t first = line.find(',');
    const std::size_t second = first == std::string_view::npos ? first : line.find(',', first + 1);
    if (second == std::string_view::npos || line.find(',', second + 1) != std::string_view::npos) {
      throw Error(fmt::format("{} line {} has not three cells; a row is time, parameter, value.",
                              member_.origin, lines_.number()));
    }
    const std::string_view clock = line.substr(0, first);
    const std::string_view name = line.substr(first + 1, second - first - 1);
    const std::string_view text = line.substr(second + 1);
    const auto time = parse_clock(clock);
    if (!time) fail("Time", 1, fmt::format("\"{}\" is not a time HH:MM.", clock));
    if (name == "RecordID") {
      stay_.id = std::string(text);
      return;
    }
    if (name.empty()) {
      ++worker_.counts.nameless;
      return;
    }
    if (is_missing(text)) {
      ++worker_.counts.missing;
      return;
    }
    const auto value = parse_finite<float>(text);
    if (!value) fail("Value", 3, fmt::format("\"{}\" is not a number.", text));
    if (take_static(name, *time, *value)) return;
    stay_.rows.push_back({*time, worker_.names.number(name), *value, lines_.number()});
  }

  /// True if the row is no event. The first weight at time 0, wherever in the file it stands, is
  /// both, as later weights follow it; -1 is the challenge's sign for a missing descriptor.
  bool take_static(std::string_view name, double time, float value) {
    for (std::size_t s = 0; s < kStatics.size(); ++s) {
      if (name != kStatics[s]) continue;
      const bool missing = value == -1;
      worker_.counts.missing += missing;
      const bool describes = s != kWeight || (time == 0 && !weighed_);
      if (!missing && describes) stay_.statics[s] = value;
      weighed_ = weighed_ || (s == kWeight && time == 0);
      return missing || s != kWeight;
    }
    return false;
  }

  const TextMember& member_;
  const VitalsOptions& options_;
  VitalsWorker& worker_;
  LineReader lines_;
  StayRows stay_;
  bool weighed_ = false;  ///< a weight at time 0 has come
};

}  // namespace

VitalsTable read_physionet2012(const std::vector<std::string>& sources,
                               const std::vector<std::string>& outcomes,
                               const VitalsOptions& options) {
  VitalsTable table;
  table.static_names.assign(kStatics.begin(), kStatics.end());
  read_members(
      sources, ".txt", options,
      [&](const TextMember& member, VitalsWorker& worker) {
        return StayParser(member, options, worker).parse();
      },
      table);
  if (outcomes.empty()) return table;
  std::vector<NumberTable> labels;
  for (const std::string& path : outcomes) {
    labels.push_back(read_numbers(path, "RecordID", {}, /*missing=*/-1, options.yes_no));
  }
  attach_labels(labels, table);
  return table;
}

}  // namespace salus::io
