#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "engine/data/image_dataset.h"
#include "engine/io/error.h"
#include "engine/io/npy.h"
#include "engine/io/table.h"

namespace salus::data {
namespace fs = std::filesystem;
namespace {

constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();

std::vector<float> one_hot(std::size_t index, std::size_t count) {
  std::vector<float> target(count, 0.0F);
  target[index] = 1;
  return target;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

/// 1, 0 or NaN of a cell that answers yes or no; `label` itself is a yes.
float yes_or_no(const std::string& cell, const std::string& label, const std::string& where) {
  const auto word = lower(cell);
  if (word.empty() || word == "nan" || word == "na") return kUnknown;
  if (word == "1" || word == "1.0" || word == "true" || word == "yes" || word == "positive" ||
      word == lower(label)) {
    return 1;
  }
  if (word == "0" || word == "0.0" || word == "false" || word == "no" || word == "negative")
    return 0;
  throw Error(
      fmt::format("{} holds '{}', which is neither 0/1, yes/no, true/false nor empty "
                  "(not known).",
                  where, cell));
}

float number(const std::string& cell, const std::string& where) {
  if (cell.empty()) return kUnknown;
  std::size_t used = 0;
  float value = 0;
  try {
    value = std::stof(cell, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  if (used == cell.size()) return value;
  throw Error(fmt::format("{} holds '{}', which is not a number.", where, cell));
}

std::vector<float> class_target(const std::string& cell, const Task& task,
                                const std::string& where) {
  if (cell.empty()) return std::vector<float>(task.labels.size(), kUnknown);
  const auto found = std::find(task.labels.begin(), task.labels.end(), cell);
  if (found != task.labels.end()) return one_hot(found - task.labels.begin(), task.labels.size());
  throw Error(fmt::format("{} holds '{}', which is not one of the labels {}.", where, cell,
                          fmt::join(task.labels, ", ")));
}

/// Columns of a manifest, resolved to positions.
struct Columns {
  int file = -1;
  int patient = -1;
  std::vector<int> labels;
  int part = -1;
  std::vector<std::pair<std::string, int>> subgroups;
};

int require_column(const io::TextTable& table, const std::string& name, const std::string& path) {
  const int position = table.column(name);
  if (position >= 0) return position;
  throw Error(
      fmt::format("{} has no column '{}'; it has {}.", path, name, fmt::join(table.columns, ", ")));
}

Columns resolve(const io::TextTable& table, const Config& data, const Task& task,
                const std::string& path) {
  Columns columns;
  columns.file = require_column(table, data.get_string("file", "file"), path);
  std::vector<std::string> names;
  if (data.has("label")) {
    names = {data.get_string("label")};
  } else {
    names = data.get_strings("labels", task.labels);
  }
  for (const auto& name : names) columns.labels.push_back(require_column(table, name, path));
  const bool one_column = task.kind == TaskKind::kMulticlass;
  const auto expected = one_column ? std::size_t{1} : task.labels.size();
  if (columns.labels.size() != expected) {
    throw UsageError(fmt::format("{} names {} columns, but the task has {} labels.",
                                 data.where("labels"), columns.labels.size(), expected));
  }
  if (data.has("patient")) {
    const std::string name = data.get_string("patient");
    if (!name.empty()) columns.patient = require_column(table, name, path);
  } else {
    columns.patient = table.column("patient_id");
  }
  if (data.has("split.column")) {
    columns.part = require_column(table, data.get_string("split.column"), path);
  }
  for (const auto& name : data.get_strings("subgroups", {})) {
    columns.subgroups.emplace_back(name, require_column(table, name, path));
  }
  return columns;
}

std::vector<float> row_target(const std::vector<std::string>& row, const Columns& columns,
                              const Task& task, const std::string& where) {
  if (task.kind == TaskKind::kMulticlass) return class_target(row[columns.labels[0]], task, where);
  std::vector<float> target;
  for (std::size_t i = 0; i < columns.labels.size(); ++i) {
    const auto& cell = row[columns.labels[i]];
    target.push_back(task.kind == TaskKind::kRegression ? number(cell, where)
                                                        : yes_or_no(cell, task.labels[i], where));
  }
  return target;
}

std::string part_of(const std::string& cell, const std::string& where) {
  if (auto part = part_named(cell); !part.empty()) return part;
  throw Error(fmt::format("{}: the split column holds \"{}\"; it must be train, valid or test.",
                          where, cell));
}

/// The cell that names a row's file; one that is blank would be the root folder, read as a series.
const std::string& file_cell(const std::vector<std::string>& row, const io::TextTable& table,
                             const Columns& columns, const std::string& where) {
  const std::string& cell = row[columns.file];
  const auto& name = table.columns[columns.file];
  if (cell.find_first_not_of(" \t") == std::string::npos) {
    throw Error(
        fmt::format("{}: the column \"{}\" is empty; name a file or remove the row.", where, name));
  }
  const fs::path plain = (fs::path(cell) / "").lexically_normal();
  if (plain != ".") return cell;
  throw Error(
      fmt::format("{}: the column \"{}\" holds \"{}\", which is the root folder itself; name a "
                  "file, or the folder of one series.",
                  where, name, cell));
}

std::vector<ImageCase> from_manifest(const Config& data, const Task& task, const fs::path& root) {
  const auto path = (root / data.get_string("manifest")).string();
  const auto table = io::read_table(path);
  const auto columns = resolve(table, data, task, path);
  if (table.rows.empty()) throw Error(path + " has no rows; give each image a row.");
  std::vector<ImageCase> cases;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const auto& row = table.rows[i];
    const auto where = fmt::format("{}, {}", path, table.where(i));
    ImageCase item;
    item.info.id = file_cell(row, table, columns, where);
    item.path = (root / item.info.id).string();
    if (columns.patient >= 0) item.info.patient = row[columns.patient];
    for (const auto& [name, column] : columns.subgroups) item.info.subgroups[name] = row[column];
    if (columns.part >= 0) item.info.part = part_of(row[columns.part], where);
    item.info.target = row_target(row, columns, task, where);
    cases.push_back(std::move(item));
  }
  return cases;
}

std::vector<float> npz_target(const io::NpyArray& labels, std::int64_t i, const Task& task,
                              const std::string& path) {
  const auto width = labels.count() / std::max<std::int64_t>(1, labels.shape[0]);
  if (task.kind != TaskKind::kMulticlass) {
    if (width != task.outputs()) {
      throw Error(fmt::format("{} has {} labels per image, but the task has {}.", path, width,
                              task.outputs()));
    }
    std::vector<float> target(width);
    for (std::int64_t k = 0; k < width; ++k) {
      target[k] = static_cast<float>(labels.at(i * width + k));
    }
    return target;
  }
  const double value = labels.at(i * width);
  if (value >= 0 && value < static_cast<double>(task.outputs()) && value == std::floor(value)) {
    return one_hot(static_cast<std::size_t>(value), task.labels.size());
  }
  throw Error(fmt::format("{}: the label of image {} is {}, outside the task's {} classes.", path,
                          i, value, task.outputs()));
}

const io::NpyArray& require_array(const std::map<std::string, io::NpyArray>& arrays,
                                  const std::string& name, const std::string& path) {
  const auto found = arrays.find(name);
  if (found != arrays.end()) return found->second;
  throw Error(
      fmt::format("{} has no array '{}'; MedMNIST files hold train_images, train_labels, "
                  "val_images, val_labels, test_images and test_labels.",
                  path, name));
}

/// The cases of one part ("train", "val", "test") of a MedMNIST file.
std::vector<ImageCase> npz_part(const std::map<std::string, io::NpyArray>& arrays,
                                const std::string& name, const std::string& path, const Task& task,
                                const std::string& part) {
  const auto& labels = require_array(arrays, part + "_labels", path);
  const auto& images = require_array(arrays, part + "_images", path);
  if (images.shape.size() < 3 || labels.shape.empty() || images.shape[0] != labels.shape[0]) {
    throw Error(
        fmt::format("{}: {}_images must be [N, H, W] or [N, H, W, 3] with as many rows as "
                    "{}_labels.",
                    path, part, part));
  }
  std::vector<ImageCase> cases(images.shape[0]);
  for (std::int64_t i = 0; i < images.shape[0]; ++i) {
    cases[i].info.id = fmt::format("{}#{}/{}", name, part, i);
    cases[i].info.part = part_named(part);
    cases[i].info.target = npz_target(labels, i, task, path);
    cases[i].path = fmt::format("{}#{}_images", path, part);
    cases[i].index = i;
  }
  return cases;
}

/// All parts that the file has.
std::vector<ImageCase> from_npz(const Config& data, const Task& task, const fs::path& root) {
  const auto name = data.get_string("npz");
  const auto path = (root / name).string();
  const auto arrays = io::read_npz(path);
  std::vector<ImageCase> cases;
  for (const std::string part : {"train", "val", "test"}) {
    if (!arrays.contains(part + "_images") && !arrays.contains(part + "_labels")) continue;
    auto some = npz_part(arrays, name, path, task, part);
    std::move(some.begin(), some.end(), std::back_inserter(cases));
  }
  if (cases.empty()) require_array(arrays, "train_images", path);
  return cases;
}

/// A binary task's label must be a folder, or every case would be negative.
void require_finding(const std::vector<std::string>& classes, const Task& task,
                     const std::string& folder) {
  if (task.kind != TaskKind::kBinary) return;
  if (std::find(classes.begin(), classes.end(), task.labels[0]) != classes.end()) return;
  const std::string near = nearest(task.labels[0], classes);
  throw Error(fmt::format("{} has no sub-folder \"{}\", whose images would be the positive ones{}",
                          folder, task.labels[0],
                          near.empty() ? fmt::format("; it has {}.", fmt::join(classes, ", "))
                                       : fmt::format("; did you mean \"{}\"?", near)));
}

/// What systems leave in folders: hidden files and folders, thumbnails of Windows.
bool is_clutter(const fs::path& path) {
  const auto name = lower(path.filename().string());
  return name.starts_with('.') || name == "thumbs.db" || name == "desktop.ini";
}

/// Files in a folder and below, sorted.
std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  for (auto entry = fs::recursive_directory_iterator(folder);
       entry != fs::recursive_directory_iterator(); ++entry) {
    if (is_clutter(entry->path())) {
      entry.disable_recursion_pending();
    } else if (entry->is_regular_file()) {
      files.push_back(entry->path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<ImageCase> from_folder(const Config& data, const Task& task, const fs::path& root) {
  const auto folder = root / data.get_string("folder");
  std::vector<ImageCase> cases;
  std::vector<std::string> classes;
  if (!fs::is_directory(folder)) {
    throw Error(fmt::format("{} is not a folder; [data] folder must hold one sub-folder per class.",
                            folder.string()));
  }
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!entry.is_directory() || is_clutter(entry.path())) continue;
    classes.push_back(entry.path().filename().string());
  }
  std::sort(classes.begin(), classes.end());
  require_finding(classes, task, folder.string());
  for (const auto& name : classes) {
    for (const auto& file : files_below(folder / name)) {
      ImageCase item;
      item.path = file.string();
      item.info.id = fs::relative(file, folder).string();
      // Binary: the folder named like the finding is positive, the other one negative.
      item.info.target = task.kind == TaskKind::kBinary
                             ? std::vector<float>{name == task.labels[0] ? 1.0F : 0.0F}
                             : class_target(name, task, folder.string());
      cases.push_back(std::move(item));
    }
  }
  return cases;
}

}  // namespace

std::vector<ImageCase> read_cases(const Config& data, const Task& task) {
  const fs::path root = data.get_string("root", ".");
  std::vector<ImageCase> cases;
  if (data.has("manifest")) {
    cases = from_manifest(data, task, root);
  } else if (data.has("npz")) {
    cases = from_npz(data, task, root);
  } else if (data.has("folder")) {
    cases = from_folder(data, task, root);
  } else {
    throw UsageError(fmt::format("{}: say where the images are: manifest, npz or folder.",
                                 data.where("manifest")));
  }
  if (cases.empty()) throw Error(fmt::format("There are no images in {}.", root.string()));
  return cases;
}

}  // namespace salus::data
