#include "engine/io/vitals_labels.h"

#include <fmt/core.h>

#include <algorithm>
#include <unordered_map>

#include "engine/io/error.h"
#include "engine/io/table.h"
#include "engine/io/vitals_rows.h"

namespace salus::io {

NumberTable read_numbers(const std::string& path, const std::string& id_column,
                         const std::vector<std::string>& text_columns, float missing) {
  const TextTable text = read_table(path);
  const int id = text.column(id_column);
  if (id < 0) {
    throw Error(
        fmt::format("{} has no column \"{}\", which names the stay of a row; add or rename "
                    "it.",
                    path, id_column));
  }
  NumberTable table;
  table.path = path;
  std::vector<int> texts;
  for (const std::string& name : text_columns) {
    texts.push_back(text.column(name));
    table.has_text.push_back(texts.back() >= 0);
  }
  std::vector<std::size_t> columns;
  for (std::size_t c = 0; c < text.columns.size(); ++c) {
    const int number = static_cast<int>(c);
    if (number == id || std::count(texts.begin(), texts.end(), number) > 0) continue;
    columns.push_back(c);
    table.names.push_back(text.columns[c]);
  }
  for (std::size_t r = 0; r < text.rows.size(); ++r) {
    const auto& row = text.rows[r];
    const std::string place = text.where(r);
    const std::string& stay = row[static_cast<std::size_t>(id)];
    if (stay.empty()) throw Error(fmt::format("{} {} names no stay.", path, place));
    table.ids.push_back(stay);
    table.places.push_back(place);
    auto& cells = table.texts.emplace_back();
    for (const int c : texts) cells.push_back(c < 0 ? "" : row[static_cast<std::size_t>(c)]);
    for (const std::size_t c : columns) {
      const auto value = is_missing(row[c]) ? kMissing : parse_finite<float>(row[c]);
      if (!value) {
        throw Error(
            fmt::format("{} {} column {} ({}): \"{}\" is not a number; write categories as "
                        "numbers.",
                        path, place, text.columns[c], c + 1, row[c]));
      }
      table.numbers.push_back(*value == missing ? kMissing : *value);
    }
  }
  return table;
}

void attach_labels(const std::vector<NumberTable>& tables, VitalsTable& table) {
  table.label_names = tables.front().names;
  const std::size_t width = table.label_names.size();
  table.labels.assign(table.ids.size() * width, kMissing);
  std::unordered_map<std::string_view, std::size_t> places;
  for (std::size_t n = 0; n < table.ids.size(); ++n) places.emplace(table.ids[n], n);
  std::vector<bool> labelled(table.ids.size(), false);
  for (const NumberTable& source : tables) {
    if (source.names != table.label_names) {
      throw Error(
          fmt::format("{} has other columns than {}; label files that are read together "
                      "must have the same.",
                      source.path, tables.front().path));
    }
    for (std::size_t r = 0; r < source.ids.size(); ++r) {
      const auto found = places.find(source.ids[r]);
      if (found == places.end()) {
        ++table.counts.strangers;
        continue;
      }
      if (labelled[found->second]) {
        throw Error(fmt::format("{} {} is the second row about its stay; keep one.", source.path,
                                source.places[r]));
      }
      labelled[found->second] = true;
      std::copy_n(source.numbers.begin() + static_cast<std::ptrdiff_t>(r * width), width,
                  table.labels.begin() + static_cast<std::ptrdiff_t>(found->second * width));
    }
  }
  table.counts.unlabelled += std::count(labelled.begin(), labelled.end(), false);
  table.labelled = std::move(labelled);
}

}  // namespace salus::io
