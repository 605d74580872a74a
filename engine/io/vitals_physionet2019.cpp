#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/io/error.h"
#include "engine/io/vitals_labels.h"
#include "engine/io/vitals_rows.h"
#include "engine/io/vitals_steps.h"

namespace salus::io {
namespace {

constexpr std::array<std::string_view, 6> kStatics = {"Age",   "Gender",      "Unit1",
                                                      "Unit2", "HospAdmTime", "ICULOS"};
constexpr std::size_t kHours = 5;  // ICULOS
constexpr std::string_view kLabel = "SepsisLabel";

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> cells;
  while (true) {
    const std::size_t bar = line.find('|');
    cells.push_back(line.substr(0, bar));
    if (bar == std::string_view::npos) return cells;
    line.remove_prefix(bar + 1);
  }
}

/// What a column of a file is.
struct Column {
  enum Kind { kEvent, kStatic, kLabel } kind = kEvent;
  std::size_t place = 0;  ///< among the statics, or in the thread's names
};

class StayParser {
 public:
  StayParser(const TextMember& member, const VitalsOptions& options, VitalsWorker& worker)
      : member_(member), options_(options), worker_(worker), lines_(member.text) {}

  StayRows parse() {
    stay_.id = member_.name;
    stay_.statics.assign(kStatics.size(), kMissing);
    std::string_view line;
    if (!lines_.next(line)) fail_file("is empty");
    read_header(line);
    while (lines_.next(line)) {
      if (!line.empty()) add_row(line);
    }
    settle();
    return std::move(stay_);
  }

 private:
  [[noreturn]] void fail_file(const std::string& what) const {
    throw Error(
        fmt::format("{} {}; it is no stay of the PhysioNet 2019 challenge.", member_.origin, what));
  }

  void read_header(std::string_view line) {
    names_ = split(line);
    for (std::size_t c = 0; c < names_.size(); ++c) {
      if (std::count(names_.begin(), names_.end(), names_[c]) > 1) {
        fail_file(fmt::format("has two columns named \"{}\"", names_[c]));
      }
      const auto fixed = std::find(kStatics.begin(), kStatics.end(), names_[c]);
      Column column;
      if (fixed != kStatics.end()) {
        column = {Column::kStatic, static_cast<std::size_t>(fixed - kStatics.begin())};
        if (column.place == kHours) hours_ = c;
      } else if (names_[c] == kLabel) {
        column.kind = Column::kLabel;
      } else {
        column.place = static_cast<std::size_t>(worker_.names.number(names_[c]));
      }
      columns_.push_back(column);
    }
    if (hours_ >= names_.size()) fail_file("has no column ICULOS");
  }

  float number(std::string_view text, std::size_t column) {
    if (is_missing(text)) return kMissing;
    const auto value = parse_finite<float>(text);
    if (!value) {
      fail_at(member_.origin, lines_.number(), names_[column], static_cast<int>(column) + 1,
              fmt::format("\"{}\" is not a number.", text));
    }
    return *value;
  }

  float checked(float label, std::size_t column) const {
    const auto& yes_no = options_.yes_no;
    if (answers_yes_or_no(label)) return label;
    if (std::find(yes_no.begin(), yes_no.end(), kLabel) == yes_no.end()) return label;
    fail_at(
        member_.origin, lines_.number(), kLabel, static_cast<int>(column) + 1,
        fmt::format("{} is no answer to yes or no; a label is 0, 1 or NaN (not known).", label));
  }

  void add_row(std::string_view line) {
    const double hour = start_row(line);
    const std::size_t before = stay_.rows.size();
    std::size_t c = 0;
    float label = kMissing;
    for (std::string_view rest = line; c < columns_.size(); ++c) {
      const std::size_t bar = rest.find('|');
      const float value = number(rest.substr(0, bar), c);
      rest.remove_prefix(bar == std::string_view::npos ? rest.size() : bar + 1);
      const Column& column = columns_[c];
      const bool missing = std::isnan(value);
      if (column.kind == Column::kLabel) {
        label = checked(value, c);
      } else if (column.kind == Column::kStatic) {
        float& fixed = stay_.statics[column.place];
        if (std::isnan(fixed)) fixed = value;
      } else if (missing) {
        ++worker_.counts.missing;
      } else {
        stay_.rows.push_back(
            {hour, static_cast<std::int32_t>(column.place), value, lines_.number()});
      }
    }
    steps_.time.push_back(hour);
    steps_.labels.push_back(label);
    steps_.place.push_back(lines_.number());
    steps_.counted.push_back(stay_.rows.size() > before);
  }

  /// Counts hours from the first row, in order of time where rows are sorted; settles rows and labels.
  void settle() {
    if (!steps_.time.empty()) {
      const double first = options_.unsorted == RowPolicy::kAccept
                               ? *std::min_element(steps_.time.begin(), steps_.time.end())
                               : steps_.time.front();
      stay_.statics[kHours] = static_cast<float>(first);
      for (VitalsRow& row : stay_.rows) row.time -= first;
      for (double& time : steps_.time) time -= first;
    }
    settle_rows(stay_.rows, options_, member_.origin, worker_.counts, worker_.names);
    const auto where = [this](std::int64_t line) {
      return fmt::format("{} line {}", member_.origin, line);
    };
    settle_steps(steps_, options_, where, worker_.counts, stay_);
  }

  /// Checks the number of cells and returns the row's hour.
  double start_row(std::string_view line) {
    const auto cells = static_cast<std::size_t>(std::count(line.begin(), line.end(), '|')) + 1;
    if (cells != columns_.size()) {
      throw Error(fmt::format("{} line {} has {} cells where the header has {}.", member_.origin,
                              lines_.number(), cells, columns_.size()));
    }
    std::string_view cell = line;
    for (std::size_t c = 0; c < hours_; ++c) cell.remove_prefix(cell.find('|') + 1);
    const float hours = number(cell.substr(0, cell.find('|')), hours_);
    if (std::isnan(hours)) {
      fail_at(member_.origin, lines_.number(), "ICULOS", static_cast<int>(hours_) + 1,
              "the hour of the row is missing.");
    }
    return hours;
  }

  const TextMember& member_;
  const VitalsOptions& options_;
  VitalsWorker& worker_;
  LineReader lines_;
  StayRows stay_;
  StepRows steps_;  ///< in hours of ICULOS, as `stay_.rows`, until settle()
  std::vector<std::string_view> names_;
  std::vector<Column> columns_;
  std::size_t hours_ = static_cast<std::size_t>(-1);
};

}  // namespace

VitalsTable read_physionet2019(const std::vector<std::string>& sources,
                               const VitalsOptions& options) {
  VitalsTable table;
  table.static_names.assign(kStatics.begin(), kStatics.end());
  table.step_label_names = {std::string(kLabel)};
  read_members(
      sources, ".psv", options,
      [&](const TextMember& member, VitalsWorker& worker) {
        return StayParser(member, options, worker).parse();
      },
      table);
  return table;
}

}  // namespace salus::io
