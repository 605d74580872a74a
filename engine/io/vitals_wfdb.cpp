#include "engine/io/vitals_wfdb.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <unordered_map>

#include "engine/io/error.h"
#include "engine/io/posix.h"
#include "engine/io/vitals_labels.h"
#include "engine/io/vitals_rows.h"
#include "engine/io/wfdb.h"

namespace salus::io {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".hea";

struct Record {
  std::string id, header;
};

std::string without_suffix(const std::string& path) {
  return path.ends_with(kSuffix) ? path.substr(0, path.size() - kSuffix.size()) : path;
}

/// None of a header that cannot be read: reading its record tells why.
std::vector<std::string> segments_of(const Record& record) {
  try {
    return wfdb_segments(record.header);
  } catch (const Error&) {
    return {};
  }
}

/// Takes away the headers that are segments of another record in their folder. One that has segments
/// itself stays: it is no segment, as reading the other record will tell.
void leave_out_segments(std::vector<Record>& records) {
  std::set<std::string> segments, joined;
  for (const Record& record : records) {
    for (const std::string& name : segments_of(record)) {
      joined.insert(record.id);
      segments.insert((fs::path(record.id).parent_path() / name).string());
    }
  }
  std::erase_if(records, [&](const Record& record) {
    return segments.contains(record.id) && !joined.contains(record.id);
  });
}

/// Every record in the folder and the folders in it, in alphabetical order.
std::vector<Record> records_in(const std::string& folder) {
  std::vector<Record> records;
  std::error_code problem;
  fs::recursive_directory_iterator entries(folder, problem), end;
  for (; !problem && entries != end; entries.increment(problem)) {
    const fs::path& path = entries->path();
    if (path.extension() != kSuffix || path.filename().string().starts_with('.')) continue;
    records.push_back({without_suffix(path.lexically_relative(folder).string()), path.string()});
  }
  if (problem) throw_system_error("Cannot read folder", folder, problem.value());
  std::sort(records.begin(), records.end(),
            [](const Record& a, const Record& b) { return a.id < b.id; });
  leave_out_segments(records);
  if (!records.empty()) return records;
  throw Error(fmt::format("{} holds no WFDB header, a file named *.hea.", folder));
}

std::vector<Record> records_of(const std::string& source) {
  std::error_code ignored;
  if (fs::is_directory(source, ignored)) return records_in(source);
  const std::string record = without_suffix(source);
  return {{fs::path(record).filename().string(), record + std::string(kSuffix)}};
}

/// Samples of each signal that are made rows at once.
constexpr std::int64_t kBlock = 1 << 14;

/// Appends records to a table one by one, and a record block by block, so that only one block lies in
/// memory as rows.
class RecordReader {
 public:
  RecordReader(const VitalsOptions& options, const std::optional<WfdbWindows>& windows)
      : options_(options), windows_(windows) {}

  void add(const Record& record) {
    const VitalsCounts before = table_.counts;
    try {
      require_unique(record);
      add_stays(record);
    } catch (const Error& error) {
      if (!options_.unreadable) throw;
      options_.unreadable(error.what());
      table_.counts = before;
      ++table_.counts.unreadable;
    }
  }

  VitalsTable finish(const std::vector<std::string>& outcomes) {
    table_.variables = names_.names();
    order_variables(table_.variables);
    const auto places = places_of(names_, table_.variables);
    for (auto& variable : table_.variable) variable = places[static_cast<std::size_t>(variable)];
    if (!outcomes.empty()) read_outcomes(outcomes);
    for (const auto record : record_of_) table_.patients.push_back(records_.patients[record]);
    join_labels();
    return std::move(table_);
  }

 private:
  void require_unique(const Record& record) {
    const auto [first, fresh] = headers_.try_emplace(record.id, record.header);
    if (fresh) return;
    throw Error(
        fmt::format("Two records have the name \"{}\": {} and {}; name one folder above both, so "
                    "that their folders tell them apart.",
                    record.id, first->second, record.header));
  }

  /// The numbers of a record's signals among its own variables.
  static std::vector<std::int32_t> variables_of(const WfdbRecord& record, NameTable& names) {
    std::vector<std::int32_t> variables;
    for (const WfdbSignal& signal : record.signals) {
      if (signal.description.empty()) {
        throw Error(fmt::format(
            "{}.hea: signal {} has no description, which names its variable; add it to the header.",
            record.name, variables.size()));
      }
      variables.push_back(names.number({signal.description, signal.unit}));
    }
    return variables;
  }

  /// The whole record is one window where none are asked for.
  std::vector<WfdbWindow> windows_of(const Record& record, const WfdbRecord& signals) const {
    if (!windows_) return {{0, signals.length, "", {}}};
    const std::string path = without_suffix(record.header) + "." + windows_->annotator;
    std::optional<std::vector<WfdbAnnotation>> annotations;
    if (fs::exists(path)) annotations = read_wfdb_annotations(path);
    return cut_windows(signals, annotations ? &*annotations : nullptr, *windows_);
  }

  /// All of a record's or, if it cannot be read, none.
  void add_stays(const Record& record) {
    const WfdbRecord signals = read_wfdb(record.header);
    const auto windows = windows_of(record, signals);
    NameTable names;
    const auto variables = variables_of(signals, names);
    const std::size_t before = table_.time.size();
    std::vector<std::int64_t> ends;
    try {
      for (const WfdbWindow& window : windows) {
        add_events(record, signals, variables, names, window);
        ends.push_back(static_cast<std::int64_t>(table_.time.size()));
      }
    } catch (...) {
      resize_events(before);
      throw;
    }
    std::vector<std::int32_t> places;
    for (const VitalsVariable& name : names.names()) places.push_back(names_.number(name));
    for (std::size_t e = before; e < table_.variable.size(); ++e) {
      table_.variable[e] = places[static_cast<std::size_t>(table_.variable[e])];
    }
    for (std::size_t w = 0; w < windows.size(); ++w) add_stay(record, windows[w], ends[w]);
    records_.ids.push_back(record.id);
    records_.patients.push_back(record.id);
  }

  void add_stay(const Record& record, const WfdbWindow& window, std::int64_t end) {
    table_.ids.push_back(window.name.empty() ? record.id : record.id + "@" + window.name);
    record_of_.push_back(records_.ids.size());
    window_labels_.insert(window_labels_.end(), window.labels.begin(), window.labels.end());
    table_.offsets.push_back(end);
  }

  /// The samples of a window, in order of time. No policy for rows looks beyond a sample's time, so
  /// that blocks may be settled one by one.
  void add_events(const Record& record, const WfdbRecord& signals,
                  const std::vector<std::int32_t>& variables, NameTable& names,
                  const WfdbWindow& window) {
    const std::int64_t first = std::max<std::int64_t>(window.begin, 0);
    const std::int64_t last = std::min(window.end, signals.length);
    const std::size_t before = table_.time.size();
    const std::int64_t empty_before = table_.counts.empty_stays;
    make_room(valid_samples(signals, first, last));
    for (std::int64_t begin = first; begin < last; begin += kBlock) {
      auto rows = rows_of(signals, variables, window, begin, std::min(begin + kBlock, last));
      settle_rows(rows, options_, record.header, table_.counts, names);
      for (const VitalsRow& row : rows) {
        table_.time.push_back(row.time);
        table_.variable.push_back(row.variable);
        table_.value.push_back(row.value);
      }
    }
    table_.counts.empty_stays = empty_before + (table_.time.size() == before);  // not blocks
  }

  static std::size_t valid_samples(const WfdbRecord& record, std::int64_t first,
                                   std::int64_t last) {
    std::ptrdiff_t valid = 0;
    for (const WfdbSignal& signal : record.signals) {
      if (first >= last) break;
      valid += last - first -
               std::count(signal.samples.begin() + first, signal.samples.begin() + last,
                          WfdbSignal::kInvalid);
    }
    return static_cast<std::size_t>(valid);
  }

  /// One large record shall not leave room for as much again.
  void make_room(std::size_t events) {
    const std::size_t needed = table_.time.size() + events;
    if (needed <= table_.time.capacity()) return;
    const std::size_t room = std::max(needed, table_.time.size() + table_.time.size() / 2);
    table_.time.reserve(room);
    table_.variable.reserve(room);
    table_.value.reserve(room);
  }

  void resize_events(std::size_t events) {
    table_.time.resize(events);
    table_.variable.resize(events);
    table_.value.resize(events);
  }

  /// Of samples [begin, end); the "line" of a row is the number of its sample, from 1.
  std::vector<VitalsRow> rows_of(const WfdbRecord& record,
                                 const std::vector<std::int32_t>& variables,
                                 const WfdbWindow& window, std::int64_t begin, std::int64_t end) {
    std::vector<VitalsRow> rows;
    for (std::int64_t i = begin; i < end; ++i) {
      const double hours = static_cast<double>(i - window.begin) / record.frequency / 3600;
      for (std::size_t s = 0; s < variables.size(); ++s) {
        const float value = record.signals[s].physical(static_cast<std::size_t>(i));
        if (std::isfinite(value)) {
          rows.push_back({hours, variables[s], value, i + 1});
        } else {
          ++table_.counts.missing;
        }
      }
    }
    return rows;
  }

  /// Labels of records, and whose they are.
  void read_outcomes(const std::vector<std::string>& outcomes) {
    std::vector<NumberTable> tables;
    std::unordered_map<std::string_view, std::size_t> places;
    for (std::size_t n = 0; n < records_.ids.size(); ++n) places.emplace(records_.ids[n], n);
    for (const std::string& path : outcomes) {
      tables.push_back(read_numbers(path, "record", {"patient_id"}, kMissing, options_.yes_no));
      const NumberTable& rows = tables.back();
      for (std::size_t r = 0; r < rows.ids.size(); ++r) {
        const auto found = places.find(rows.ids[r]);
        if (found != places.end() && !rows.texts[r][0].empty()) {
          records_.patients[found->second] = rows.texts[r][0];
        }
      }
    }
    attach_labels(tables, records_);
    add_counts(table_.counts, records_.counts);
  }

  /// Of each stay the labels of its record, then those of its window.
  void join_labels() {
    table_.label_names = records_.label_names;
    const std::size_t of_record = records_.label_names.size();
    const std::size_t of_window = windows_ ? windows_->labels.size() : 0;
    for (std::size_t l = 0; l < of_window; ++l) add_label_name(windows_->labels[l].name);
    if (table_.label_names.empty()) return;
    for (std::size_t n = 0; n < record_of_.size(); ++n) {
      const auto record = static_cast<std::ptrdiff_t>(record_of_[n] * of_record);
      const auto window = window_labels_.begin() + static_cast<std::ptrdiff_t>(n * of_window);
      table_.labels.insert(
          table_.labels.end(), records_.labels.begin() + record,
          records_.labels.begin() + record + static_cast<std::ptrdiff_t>(of_record));
      table_.labels.insert(table_.labels.end(), window,
                           window + static_cast<std::ptrdiff_t>(of_window));
      const bool annotated = of_window > 0 && !std::isnan(*window);
      table_.labelled.push_back(annotated || (of_record > 0 && records_.labelled[record_of_[n]]));
    }
    table_.counts.unlabelled = std::count(table_.labelled.begin(), table_.labelled.end(), false);
  }

  void add_label_name(const std::string& name) {
    const auto& names = table_.label_names;
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      throw Error(fmt::format(
          "The label \"{}\" stands in the outcomes and is made of annotations too; rename one.",
          name));
    }
    table_.label_names.push_back(name);
  }

  const VitalsOptions& options_;
  const std::optional<WfdbWindows>& windows_;
  VitalsTable table_;
  VitalsTable records_;                 ///< ids, patients and labels of whole records
  std::vector<std::size_t> record_of_;  ///< of each stay
  std::vector<float> window_labels_;
  NameTable names_;
  std::unordered_map<std::string, std::string> headers_;  ///< of each record met, by its id
};

}  // namespace

VitalsTable read_wfdb_stays(const std::vector<std::string>& sources,
                            const std::vector<std::string>& outcomes, const VitalsOptions& options,
                            const std::optional<WfdbWindows>& windows) {
  RecordReader reader(options, windows);
  for (const std::string& source : sources) {
    for (const Record& record : records_of(source)) reader.add(record);
  }
  return reader.finish(outcomes);
}

}  // namespace salus::io
