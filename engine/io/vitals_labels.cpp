#include "engine/io/vitals_labels.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <optional>
#include <unordered_map>

#include "engine/io/error.h"
#include "engine/io/table.h"
#include "engine/io/vitals_rows.h"

namespace salus::io {
namespace {

/// \param word  in lower case.
bool is_word(std::string_view text, std::string_view word) {
  return std::equal(text.begin(), text.end(), word.begin(), word.end(),
                    [](unsigned char a, char b) { return std::tolower(a) == b; });
}

std::optional<float> parse_number(std::string_view text) {
  if (is_missing(text)) return kMissing;
  if (is_word(text, "true")) return 1.0F;
  if (is_word(text, "false")) return 0.0F;
  return parse_finite<float>(text);
}

/// \param where  names file, line and column.
template <typename Where>
float read_number(const std::string& text, float missing, bool yes_no, const Where& where) {
  const auto value = parse_number(text);
  if (!value) {
    throw Error(
        fmt::format("{}: \"{}\" is not a number; write categories as numbers.", where(), text));
  }
  const float number = *value == missing ? kMissing : *value;
  if (yes_no && !answers_yes_or_no(number)) {
    throw Error(
        fmt::format("{}: \"{}\" is no answer to yes or no; a label is 0, 1 or empty (not known).",
                    where(), text));
  }
  return number;
}

}  // namespace

bool answers_yes_or_no(float value) { return std::isnan(value) || value == 0 || value == 1; }

NumberTable read_numbers(const std::string& path, const std::string& id_column,
                         const std::vector<std::string>& text_columns, float missing,
                         const std::vector<std::string>& yes_no) {
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
  std::vector<bool> answers;
  for (std::size_t c = 0; c < text.columns.size(); ++c) {
    const int number = static_cast<int>(c);
    if (number == id || std::count(texts.begin(), texts.end(), number) > 0) continue;
    columns.push_back(c);
    table.names.push_back(text.columns[c]);
    answers.push_back(std::find(yes_no.begin(), yes_no.end(), text.columns[c]) != yes_no.end());
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
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const std::size_t c = columns[i];
      const auto where = [&] {
        return fmt::format("{} {} column {} ({})", path, place, text.columns[c], c + 1);
      };
      table.numbers.push_back(read_number(row[c], missing, answers[i], where));
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
