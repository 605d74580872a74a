#include "engine/io/vitals_rows.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "engine/io/error.h"

namespace salus::io {

void fail_at(const std::string& origin, std::int64_t line, std::string_view column, int number,
             const std::string& what) {
  throw Error(fmt::format("{} line {} column {} ({}): {}", origin, line, column, number, what));
}

std::int32_t NameTable::number(const VitalsVariable& variable) {
  // Neither name nor unit of a text file can hold a line end.
  const std::string key =
      variable.unit.empty() ? variable.name : variable.name + "\n" + variable.unit;
  const auto [found, fresh] = numbers_.try_emplace(key, static_cast<std::int32_t>(names_.size()));
  if (fresh) names_.push_back(variable);
  return found->second;
}

std::int32_t NameTable::number(std::string_view name) {
  const auto found = numbers_.find(name);
  if (found != numbers_.end()) return found->second;
  return number(VitalsVariable{std::string(name), ""});
}

std::int32_t NameTable::variable_of(std::int32_t number, const VitalsOptions& options) {
  if (!options.variable_of) return number;
  while (variables_.size() < names_.size()) {
    variables_.push_back(options.variable_of(names_[variables_.size()]));
  }
  return variables_[static_cast<std::size_t>(number)];
}

void refuse_row(const std::string& where, const char* what, const char* option) {
  throw Error(fmt::format("{}: {}; correct the file, or set {} to accept or drop such rows.", where,
                          what, option));
}

namespace {

[[noreturn]] void refuse(const VitalsRow& row, const std::string& origin, const char* what,
                         const char* option) {
  refuse_row(fmt::format("{} line {}", origin, row.line), what, option);
}

/// Counts rows that are earlier than the greatest time before them; drops or refuses them.
void settle_order(std::vector<VitalsRow>& rows, const VitalsOptions& options,
                  const std::string& origin, VitalsCounts& counts) {
  double latest = -std::numeric_limits<double>::infinity();
  std::size_t kept = 0;
  for (const VitalsRow& row : rows) {
    const bool early = row.time < latest;
    counts.unsorted += early;
    if (early && options.unsorted == RowPolicy::kRefuse) {
      refuse(row, origin, "the time is before that of the row above", "unsorted");
    }
    latest = std::max(latest, row.time);
    if (early && options.unsorted == RowPolicy::kDrop) continue;
    rows[kept++] = row;
  }
  rows.resize(kept);
  const auto by_time = [](const VitalsRow& a, const VitalsRow& b) { return a.time < b.time; };
  if (!std::is_sorted(rows.begin(), rows.end(), by_time)) {
    std::stable_sort(rows.begin(), rows.end(), by_time);
  }
}

void settle_future(std::vector<VitalsRow>& rows, const VitalsOptions& options,
                   const std::string& origin, VitalsCounts& counts) {
  const auto future = std::find_if(rows.begin(), rows.end(),
                                   [&](const VitalsRow& row) { return row.time > options.latest; });
  counts.future += rows.end() - future;
  if (future == rows.end() || options.future == RowPolicy::kAccept) return;
  if (options.future == RowPolicy::kRefuse) {
    refuse(*future, origin, "the time is after the latest that is allowed", "future");
  }
  rows.erase(future, rows.end());
}

/// Of rows in order of time. Rows of one time are few: they are compared with each other.
void settle_duplicates(std::vector<VitalsRow>& rows, const VitalsOptions& options,
                       const std::string& origin, VitalsCounts& counts, NameTable& names) {
  std::vector<double> last_time;
  std::vector<std::size_t> last_row;
  std::vector<bool> replaced(rows.size(), false);
  bool any = false;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto variable = names.variable_of(rows[i].variable, options);
    if (variable < 0) continue;
    const auto v = static_cast<std::size_t>(variable);
    if (v >= last_time.size()) {
      last_time.resize(v + 1, std::numeric_limits<double>::quiet_NaN());
      last_row.resize(v + 1);
    }
    if (last_time[v] == rows[i].time) {
      ++counts.duplicates;
      if (options.duplicates == RowPolicy::kRefuse) {
        refuse(rows[i], origin, "the variable has a row at this time already", "duplicates");
      }
      replaced[last_row[v]] = any = true;
    }
    last_time[v] = rows[i].time;
    last_row[v] = i;
  }
  if (!any || options.duplicates == RowPolicy::kAccept) return;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!replaced[i]) rows[kept++] = rows[i];
  }
  rows.resize(kept);
}

/// For each name of each thread its place in the table; the names are put in alphabetical order.
std::map<const NameTable*, std::vector<std::int32_t>> join_names(
    const std::vector<StayRows>& stays, std::vector<VitalsVariable>& variables) {
  std::map<const NameTable*, std::vector<std::int32_t>> places;
  for (const StayRows& stay : stays) {
    if (stay.names == nullptr || !places.try_emplace(stay.names).second) continue;
    variables.insert(variables.end(), stay.names->names().begin(), stay.names->names().end());
  }
  order_variables(variables);
  for (auto& [names, place] : places) place = places_of(*names, variables);
  return places;
}

bool before(const VitalsVariable& a, const VitalsVariable& b) {
  return std::tie(a.name, a.unit) < std::tie(b.name, b.unit);
}

}  // namespace

void order_variables(std::vector<VitalsVariable>& variables) {
  std::sort(variables.begin(), variables.end(), before);
  variables.erase(std::unique(variables.begin(), variables.end()), variables.end());
}

std::vector<std::int32_t> places_of(const NameTable& names,
                                    const std::vector<VitalsVariable>& variables) {
  std::vector<std::int32_t> places;
  for (const VitalsVariable& name : names.names()) {
    const auto at = std::lower_bound(variables.begin(), variables.end(), name, before);
    places.push_back(static_cast<std::int32_t>(at - variables.begin()));
  }
  return places;
}

void settle_rows(std::vector<VitalsRow>& rows, const VitalsOptions& options,
                 const std::string& origin, VitalsCounts& counts, NameTable& names) {
  counts.rows += static_cast<std::int64_t>(rows.size());
  settle_order(rows, options, origin, counts);
  settle_future(rows, options, origin, counts);
  settle_duplicates(rows, options, origin, counts, names);
  counts.empty_stays += rows.empty();
}

void merge_stays(const std::vector<StayRows>& stays, VitalsTable& table) {
  const auto places = join_names(stays, table.variables);
  std::size_t events = 0;
  for (const StayRows& stay : stays) events += stay.rows.size();
  table.time.reserve(events);
  table.variable.reserve(events);
  table.value.reserve(events);
  for (const StayRows& stay : stays) {
    table.ids.push_back(stay.id);
    table.patients.push_back(stay.patient.empty() ? stay.id : stay.patient);
    for (const VitalsRow& row : stay.rows) {
      table.time.push_back(row.time);
      table.variable.push_back(places.at(stay.names)[static_cast<std::size_t>(row.variable)]);
      table.value.push_back(row.value);
    }
    table.offsets.push_back(static_cast<std::int64_t>(table.time.size()));
    table.statics.insert(table.statics.end(), stay.statics.begin(), stay.statics.end());
    if (table.step_label_names.empty()) continue;
    table.step_time.insert(table.step_time.end(), stay.step_time.begin(), stay.step_time.end());
    table.step_labels.insert(table.step_labels.end(), stay.step_labels.begin(),
                             stay.step_labels.end());
    table.step_offsets.push_back(static_cast<std::int64_t>(table.step_time.size()));
  }
}

void add_counts(VitalsCounts& sum, const VitalsCounts& more) {
  sum.rows += more.rows;
  sum.missing += more.missing;
  sum.nameless += more.nameless;
  sum.duplicates += more.duplicates;
  sum.unsorted += more.unsorted;
  sum.future += more.future;
  sum.empty_stays += more.empty_stays;
  sum.unlabelled += more.unlabelled;
  sum.strangers += more.strangers;
  sum.unreadable += more.unreadable;
}

}  // namespace salus::io
