// The general long table: one row per measurement, and tables about stays beside it.
#include <fmt/core.h>

#include <algorithm>
#include <unordered_map>

#include "engine/io/error.h"
#include "engine/io/table.h"
#include "engine/io/vitals_labels.h"
#include "engine/io/vitals_rows.h"
#include "engine/io/vitals_steps.h"

namespace salus::io {
namespace {

/// A time in hours. float64: an instant of a long stay is finer than float32.
double parse_time(const std::string& text, const std::string& where) {
  if (const auto value = parse_finite<double>(text)) return *value;
  throw Error(fmt::format("{}: \"{}\" is not a time in hours.", where, text));
}

class LongTableReader {
 public:
  LongTableReader(const LongTableFiles& files, const VitalsOptions& options, VitalsTable& table)
      : files_(files), options_(options), table_(table) {}

  void read() {
    read_events();
    if (!files_.statics.empty()) read_statics();
    for (StayRows& stay : stays_) {
      stay.names = &names_;
      settle_rows(stay.rows, options_, files_.events, table_.counts, names_);
    }
    if (!files_.labels.empty()) read_labels();
    merge_stays(stays_, table_);
    if (!files_.labels.empty() && table_.step_label_names.empty()) attach_labels({labels_}, table_);
  }

 private:
  StayRows& stay(const std::string& id) {
    const auto [found, fresh] = places_.try_emplace(id, stays_.size());
    if (fresh) stays_.emplace_back().id = id;
    return stays_[found->second];
  }

  void read_events() {
    const TextTable text = read_table(files_.events);
    const auto column = [&](const char* name, bool needed) {
      const int c = text.column(name);
      if (c < 0 && needed) {
        throw Error(
            fmt::format("{} has no column \"{}\"; a long table has stay_id, time, variable "
                        "and value.",
                        files_.events, name));
      }
      return c;
    };
    const int id = column("stay_id", true), time = column("time", true);
    const int variable = column("variable", true), value = column("value", true);
    const int unit = column("unit", false);
    for (std::size_t r = 0; r < text.rows.size(); ++r) {
      const auto cell = [&](int c) -> const std::string& {
        return text.rows[r][static_cast<std::size_t>(c)];
      };
      const auto where = [&](const char* name, int c) {
        return fmt::format("{} {} column {} ({})", files_.events, text.where(r), name, c + 1);
      };
      if (cell(id).empty()) throw Error(where("stay_id", id) + ": the row names no stay.");
      StayRows& rows = stay(cell(id));
      if (is_missing(cell(value))) {
        table_.counts.missing += !cell(variable).empty();
        continue;
      }
      if (cell(variable).empty()) {
        ++table_.counts.nameless;
        continue;
      }
      const auto number = parse_finite<float>(cell(value));
      if (!number) {
        throw Error(fmt::format("{}: \"{}\" is not a number.", where("value", value), cell(value)));
      }
      const std::int32_t name = names_.number({cell(variable), unit < 0 ? "" : cell(unit)});
      const auto line = text.lines.empty() ? static_cast<std::int64_t>(r + 1) : text.lines[r];
      rows.rows.push_back({parse_time(cell(time), where("time", time)), name, *number, line});
    }
  }

  void read_statics() {
    const NumberTable statics = read_numbers(files_.statics, "stay_id", {"patient_id"}, kMissing);
    table_.static_names = statics.names;
    const std::size_t width = statics.names.size();
    for (std::size_t r = 0; r < statics.ids.size(); ++r) {
      StayRows& rows = stay(statics.ids[r]);
      if (!rows.patient.empty() || !rows.statics.empty()) {
        throw Error(fmt::format("{} {} is the second row about its stay; keep one.", statics.path,
                                statics.places[r]));
      }
      rows.patient = statics.texts[r][0];
      const auto first = statics.numbers.begin() + static_cast<std::ptrdiff_t>(r * width);
      rows.statics.assign(first, first + static_cast<std::ptrdiff_t>(width));
      // Also where there is no number at all: the mark of a stay that has had its row.
      if (rows.patient.empty()) rows.patient = rows.id;
    }
    for (StayRows& rows : stays_) rows.statics.resize(width, kMissing);
  }

  void read_labels() {
    labels_ = read_numbers(files_.labels, "stay_id", {"time"}, kMissing, options_.yes_no);
    if (!labels_.has_text[0]) return;
    table_.step_label_names = labels_.names;
    const std::size_t width = labels_.names.size();
    std::vector<StepRows> steps(stays_.size());
    for (std::size_t r = 0; r < labels_.ids.size(); ++r) {
      const auto found = places_.find(labels_.ids[r]);
      if (found == places_.end()) {
        ++table_.counts.strangers;
        continue;
      }
      StepRows& rows = steps[found->second];
      rows.time.push_back(parse_time(labels_.texts[r][0], label_place(r) + " column time"));
      const auto first = labels_.numbers.begin() + static_cast<std::ptrdiff_t>(r * width);
      rows.labels.insert(rows.labels.end(), first, first + static_cast<std::ptrdiff_t>(width));
      rows.place.push_back(static_cast<std::int64_t>(r));
      rows.counted.push_back(false);
    }
    settle_labels(steps);
  }

  std::string label_place(std::size_t row) const {
    return fmt::format("{} {}", labels_.path, labels_.places[row]);
  }

  void settle_labels(const std::vector<StepRows>& steps) {
    const auto where = [this](std::int64_t row) {
      return label_place(static_cast<std::size_t>(row));
    };
    for (std::size_t n = 0; n < stays_.size(); ++n) {
      settle_steps(steps[n], options_, where, table_.counts, stays_[n]);
      table_.counts.unlabelled += stays_[n].step_time.empty();
    }
  }

  const LongTableFiles& files_;
  const VitalsOptions& options_;
  VitalsTable& table_;
  NameTable names_;
  std::vector<StayRows> stays_;  ///< in the order in which they appear
  std::unordered_map<std::string, std::size_t> places_;
  NumberTable labels_;
};

}  // namespace

VitalsTable read_long_table(const LongTableFiles& files, const VitalsOptions& options) {
  VitalsTable table;
  LongTableReader(files, options, table).read();
  return table;
}

}  // namespace salus::io
