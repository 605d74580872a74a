#include "engine/data/stay_remarks.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

namespace salus::data {
namespace {

using Counts = std::map<std::string, std::int64_t>;

constexpr std::size_t kMostNames = 5;

std::int64_t sum(const Counts& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0},
                         [](std::int64_t all, const auto& count) { return all + count.second; });
}

/// "Foo, Bar and 3 more", those with the most first.
std::string names_of(const Counts& counts) {
  std::vector<std::pair<std::string, std::int64_t>> order(counts.begin(), counts.end());
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::min(order.size(), kMostNames); ++i) {
    names.push_back(order[i].first);
  }
  const auto more = order.size() - names.size();
  return fmt::format("{}{}", fmt::join(names, ", "),
                     more > 0 ? fmt::format(" and {} more", more) : "");
}

/// "12 duplicate rows (kept), 3 unsorted rows (sorted)"; "" if none.
std::string irregular_rows(const io::VitalsCounts& counts, const RowRules& rules) {
  std::vector<std::string> parts;
  const auto add = [&](std::int64_t count, const char* kind, io::RowPolicy policy,
                       const char* accepted) {
    if (count == 0) return;
    parts.push_back(
        several(count, std::string(kind) + " row",
                fmt::format(" ({})", policy == io::RowPolicy::kAccept ? accepted : "dropped")));
  };
  add(counts.duplicates, "duplicate", rules.duplicates, "kept");
  add(counts.unsorted, "unsorted", rules.unsorted, "sorted");
  add(counts.future, "future", rules.future, "kept");
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string outside(const MapCounts& mapped) {
  Counts counts = mapped.outside;
  for (const auto& [name, count] : mapped.statics_outside) counts[name] += count;
  const std::int64_t values = sum(counts);
  if (values == 0) return "";
  return several(values, "value",
                 fmt::format(" outside of {} plausible range ({})", values == 1 ? "its" : "their",
                             names_of(counts)));
}

std::string unknown(const MapCounts& mapped) {
  Counts counts = mapped.unknown;
  std::erase_if(counts, [](const auto& count) { return count.second == 0; });
  if (counts.empty()) return "";
  return several(std::ssize(counts), "unknown variable",
                 fmt::format(" ({}: {}, dropped)", names_of(counts), several(sum(counts), "row")));
}

std::string unseen(const OffGrid& rows) {
  if (rows.before + rows.after == 0) return "";
  std::vector<std::string> parts;
  if (rows.before > 0) parts.push_back(grouped(rows.before) + " before them");
  if (rows.after > 0) parts.push_back(grouped(rows.after) + " after them");
  return several(rows.before + rows.after, "row",
                 fmt::format(" outside of the hours that the model sees ({}, dropped)",
                             fmt::join(parts, ", ")));
}

}  // namespace

std::string grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  for (auto at = std::ssize(text) - 3; at > 0; at -= 3) {
    text.insert(static_cast<std::size_t>(at), ",");
  }
  return text;
}

std::string several(std::int64_t number, const std::string& what, const std::string& rest) {
  return fmt::format("{} {}{}{}", grouped(number), what, number == 1 ? "" : "s", rest);
}

OffGrid count_off_grid(const io::VitalsTable& table, const StayTransform& transform) {
  OffGrid rows;
  for (std::size_t e = 0; e < table.time.size(); ++e) {
    if (table.variable[e] < 0) continue;
    const auto bin = transform.bin(table.time[e]);
    rows.before += bin < 0;
    rows.after += bin >= transform.steps();
  }
  return rows;
}

std::string stay_remarks(const io::VitalsTable& table, const MapCounts& mapped,
                         const RowRules& rules, const OffGrid& off_grid) {
  const io::VitalsCounts& counts = table.counts;
  std::vector<std::string> remarks = {irregular_rows(counts, rules)};
  const auto add = [&](std::int64_t count, const std::string& what, const std::string& rest) {
    if (count > 0) remarks.push_back(several(count, what, rest));
  };
  add(counts.nameless, "row", " without a variable's name (dropped)");
  remarks.push_back(outside(mapped));
  remarks.push_back(unknown(mapped));
  remarks.push_back(unseen(off_grid));
  add(counts.empty_stays, "stay", " without a measurement (kept)");
  add(counts.unlabelled, "stay", " without a label");
  add(counts.strangers, "row", " of labels about other stays (dropped)");
  std::erase(remarks, "");
  if (remarks.empty()) return "";
  std::string read = several(table.stays(), "stay") + ", " + several(counts.rows, "measurement");
  if (counts.missing > 0) read += " and " + several(counts.missing, "missing value");
  return fmt::format("Read {}; {}.", read, fmt::join(remarks, "; "));
}

}  // namespace salus::data
