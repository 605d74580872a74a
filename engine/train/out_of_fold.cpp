#include "engine/train/out_of_fold.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/table.h"

namespace salus::train {
namespace {

const std::vector<std::string> kColumns = {"id",     "fold",  "patient",    "label",
                                           "target", "logit", "probability"};

const std::string kHour = "hour";

/// A cell as RFC 4180 wants it.
std::string cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

double number(const std::string& text, const std::string& path, std::size_t row) {
  if (text.empty()) return std::nan("");
  try {
    std::size_t used = 0;
    const double value = std::stod(text, &used);
    if (used == text.size()) return value;
  } catch (const std::exception&) {
    // reported below
  }
  throw Error(fmt::format("{}, line {}: \"{}\" is not a number.", path, row + 2, text));
}

/// Where the columns of a fold's table stand.
struct Layout {
  std::map<std::string, int> column;
  std::vector<std::string> subgroups;
  bool has_hours = false;

  Layout(const io::TextTable& table, const std::string& path) {
    for (const auto& name : kColumns) {
      column[name] = table.column(name);
      if (column[name] < 0) {
        throw Error(
            fmt::format("{} has no column \"{}\": it is not a fold's predictions.", path, name));
      }
    }
    has_hours = table.column(kHour) >= 0;
    if (has_hours) column[kHour] = table.column(kHour);
    for (const auto& name : table.columns) {
      if (!column.contains(name)) subgroups.push_back(name);
    }
  }
};

/// Adds one fold's rows; each case has as many in succession as the task has labels.
void add_fold(const std::string& path, const Task& task, evaluate::Predictions& out,
              std::set<std::string>& folds, std::set<std::string>& ids) {
  const io::TextTable table = io::read_table(path);
  const Layout layout(table, path);
  const auto at = [&](std::size_t row, const std::string& name) -> const std::string& {
    return table.rows[row][layout.column.at(name)];
  };
  if (table.rows.size() % task.labels.size() != 0) {
    throw Error(fmt::format("{} does not have one row per case and label.", path));
  }
  if (!table.rows.empty() && !folds.insert(at(0, "fold")).second) {
    throw Error(fmt::format("{} is of fold {}, which was given before.", path, at(0, "fold")));
  }
  for (std::size_t row = 0; row < table.rows.size(); row += task.labels.size()) {
    const std::string hour = layout.has_hours ? at(row, kHour) : "";
    if (!ids.insert(at(row, "id") + "\n" + hour).second) {
      throw Error(
          fmt::format("{}, line {}: this case was scored in another fold too.", path, row + 2));
    }
    out.ids.push_back(at(row, "id"));
    if (layout.has_hours) out.hours.push_back(number(hour, path, row));
    out.patients.push_back(at(row, "fold") + "-" + at(row, "patient"));
    for (const auto& name : layout.subgroups) {
      out.subgroups[name].push_back(table.rows[row][table.column(name)]);
    }
    std::vector<double> targets, probabilities;
    for (std::size_t i = 0; i < task.labels.size(); ++i) {
      if (at(row + i, "label") != task.labels[i] || at(row + i, "id") != at(row, "id")) {
        throw Error(fmt::format("{}, line {}: the label must be \"{}\" of the same case.", path,
                                row + i + 2, task.labels[i]));
      }
      targets.push_back(number(at(row + i, "target"), path, row + i));
      probabilities.push_back(number(at(row + i, "probability"), path, row + i));
    }
    out.targets.push_back(std::move(targets));
    out.probabilities.push_back(std::move(probabilities));
  }
}

}  // namespace

void write_fold_predictions(const std::string& path, std::int64_t fold,
                            const infer::ScoredCases& scored) {
  const auto& predictions = scored.predictions;
  const bool has_hours = !predictions.hours.empty();
  std::string text = fmt::format("{}{}", fmt::join(kColumns, ","), has_hours ? "," + kHour : "");
  for (const auto& [name, values] : predictions.subgroups) text += "," + cell(name);
  text += "\n";
  const auto patients =
      evaluate::patient_numbers(predictions.patients, predictions.probabilities.size());
  for (std::size_t i = 0; i < predictions.probabilities.size(); ++i) {
    for (std::size_t label = 0; label < predictions.labels.size(); ++label) {
      const double target = predictions.targets[i][label];
      text += fmt::format("{},{},{},{},{},{:.9g},{:.17g}", cell(predictions.ids[i]), fold,
                          patients[i], cell(predictions.labels[label]),
                          std::isnan(target) ? "" : fmt::format("{:g}", target),
                          scored.logits[i][label], predictions.probabilities[i][label]);
      if (has_hours) text += fmt::format(",{}", predictions.hours[i]);
      for (const auto& [name, values] : predictions.subgroups) text += "," + cell(values[i]);
      text += "\n";
    }
  }
  io::write_text(path, text);
}

evaluate::Predictions pool_folds(const std::vector<std::string>& paths, const Task& task) {
  evaluate::Predictions out;
  out.task = task.kind;
  out.labels = task.labels;
  std::set<std::string> folds, ids;
  for (const auto& path : paths) add_fold(path, task, out, folds, ids);
  for (const auto& [name, values] : out.subgroups) {
    if (values.size() == out.ids.size()) continue;
    throw Error(fmt::format("The subgroup column \"{}\" is missing in some of the folds.", name));
  }
  return out;
}

}  // namespace salus::train
