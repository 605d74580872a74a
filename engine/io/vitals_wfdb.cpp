#include "engine/io/vitals_wfdb.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <unordered_map>
#include <unordered_set>

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

/// Every header in the folder and the folders in it, in alphabetical order.
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
  if (!records.empty()) return records;
  throw Error(fmt::format("{} holds no WFDB header, a file named *.hea.", folder));
}

std::vector<Record> records_of(const std::string& source) {
  std::error_code ignored;
  if (fs::is_directory(source, ignored)) return records_in(source);
  const std::string record = without_suffix(source);
  return {{fs::path(record).filename().string(), record + std::string(kSuffix)}};
}

/// Appends records to a table one by one, so that only one lies in memory as rows.
class RecordReader {
 public:
  RecordReader(const VitalsOptions& options, VitalsTable& table)
      : options_(options), table_(table) {}

  void add(const Record& record) {
    if (!seen_.insert(record.id).second) {
      throw Error(
          fmt::format("Two records have the name \"{}\"; name one folder above both, so that their "
                      "folders tell "
                      "them apart.",
                      record.id));
    }
    std::vector<VitalsRow> rows = rows_of(read_wfdb(record.header));
    settle_rows(rows, options_, record.header, table_.counts);
    table_.ids.push_back(record.id);
    table_.patients.push_back(record.id);
    for (const VitalsRow& row : rows) {
      table_.time.push_back(row.time);
      table_.variable.push_back(row.variable);
      table_.value.push_back(row.value);
    }
    table_.offsets.push_back(static_cast<std::int64_t>(table_.time.size()));
  }

  /// Puts the variables into alphabetical order.
  void finish() {
    table_.variables = names_.names();
    order_variables(table_.variables);
    const auto places = places_of(names_, table_.variables);
    for (auto& variable : table_.variable) variable = places[static_cast<std::size_t>(variable)];
  }

 private:
  /// In order of time; the "line" of a row is the number of its sample, from 1.
  std::vector<VitalsRow> rows_of(const WfdbRecord& record) {
    std::vector<std::int32_t> variables;
    for (const WfdbSignal& signal : record.signals) {
      if (signal.description.empty()) {
        throw Error(fmt::format(
            "{}.hea: signal {} has no description, which names its variable; add it to the header.",
            record.name, variables.size()));
      }
      variables.push_back(names_.number({signal.description, signal.unit}));
    }
    std::vector<VitalsRow> rows;
    rows.reserve(static_cast<std::size_t>(record.length) * variables.size());
    for (std::int64_t i = 0; i < record.length; ++i) {
      const double hours = static_cast<double>(i) / record.frequency / 3600;
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

  const VitalsOptions& options_;
  VitalsTable& table_;
  NameTable names_;
  std::unordered_set<std::string> seen_;
};

/// Labels of records, and whose they are.
void read_outcomes(const std::vector<std::string>& outcomes, VitalsTable& table) {
  std::vector<NumberTable> tables;
  std::unordered_map<std::string_view, std::size_t> places;
  for (std::size_t n = 0; n < table.ids.size(); ++n) places.emplace(table.ids[n], n);
  for (const std::string& path : outcomes) {
    tables.push_back(read_numbers(path, "record", {"patient_id"}, kMissing));
    const NumberTable& rows = tables.back();
    for (std::size_t r = 0; r < rows.ids.size(); ++r) {
      const auto found = places.find(rows.ids[r]);
      if (found != places.end() && !rows.texts[r][0].empty()) {
        table.patients[found->second] = rows.texts[r][0];
      }
    }
  }
  attach_labels(tables, table);
}

}  // namespace

VitalsTable read_wfdb_stays(const std::vector<std::string>& sources,
                            const std::vector<std::string>& outcomes,
                            const VitalsOptions& options) {
  VitalsTable table;
  RecordReader reader(options, table);
  for (const std::string& source : sources) {
    for (const Record& record : records_of(source)) reader.add(record);
  }
  reader.finish();
  if (!outcomes.empty()) read_outcomes(outcomes, table);
  return table;
}

}  // namespace salus::io
