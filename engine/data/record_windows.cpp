#include "engine/data/record_windows.h"

#include <fmt/format.h>

#include "engine/core/toml_text.h"
#include "engine/data/duration.h"
#include "engine/io/error.h"

namespace salus::data {
namespace {

void refuse(const Config& table, const char* key, const char* why) {
  throw UsageError(fmt::format("{} {}", table.where(key), why));
}

void read_in_turn(const Config& table, io::WfdbWindows& windows) {
  for (const char* other : {"before", "after", "at"}) {
    if (table.has(other)) {
      refuse(table, other,
             "and length exclude each other: windows are cut in turn or around marks.");
    }
  }
  windows.length = read_seconds(table, "length");
  windows.every = table.has("every") ? read_seconds(table, "every") : windows.length;
  if (!(windows.length > 0)) refuse(table, "length", "must be above 0 s.");
  if (!(windows.every > 0)) refuse(table, "every", "must be above 0 s.");
}

void read_around(const Config& table, io::WfdbWindows& windows) {
  if (table.has("every")) refuse(table, "every", "needs length.");
  windows.before = read_seconds(table, "before");
  windows.after = read_seconds(table, "after");
  if (!(windows.before + windows.after > 0)) {
    refuse(table, "length", "is needed, or before and after to cut windows around annotations.");
  }
  windows.at = table.get_strings("at", io::wfdb_beats());
}

}  // namespace

io::WfdbWindows read_windows(const Config& table) {
  io::WfdbWindows windows;
  table.has("length") ? read_in_turn(table, windows) : read_around(table, windows);
  windows.annotator = table.get_string("annotator", windows.annotator);
  if (windows.annotator.empty() || windows.annotator.find('/') != std::string::npos) {
    refuse(table, "annotator", "must be the suffix of a file.");
  }
  const Config labels = table.table("labels");
  for (const std::string& name : labels.keys()) {
    windows.labels.push_back({name, labels.get_strings(name)});
    if (windows.labels.back().marks.empty()) refuse(labels, name.c_str(), "names no mark.");
  }
  return windows;
}

std::string windows_toml(const io::WfdbWindows& windows) {
  std::string text;
  if (windows.length > 0) {
    text = fmt::format("length = \"{} s\"\nevery = \"{} s\"\n", windows.length, windows.every);
  } else {
    text = fmt::format("before = \"{} s\"\nafter = \"{} s\"\nat = {}\n", windows.before,
                       windows.after, toml_list(windows.at));
  }
  text += fmt::format("annotator = {}\n[labels]\n", toml_string(windows.annotator));
  for (const io::WfdbLabel& label : windows.labels) {
    text += fmt::format("{} = {}\n", toml_string(label.name), toml_list(label.marks));
  }
  return text;
}

}  // namespace salus::data
