#include "engine/io/inputs.h"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <istream>

#include "engine/io/error.h"

namespace salus::io {
namespace fs = std::filesystem;
namespace {

bool is_hidden(const fs::path& path) {
  const auto name = path.filename().string();
  return name.empty() || name[0] == '.';
}

void add_folder(const fs::path& folder, std::vector<std::string>& inputs) {
  std::vector<std::string> found;
  const auto options = fs::directory_options::skip_permission_denied;
  for (auto entry = fs::recursive_directory_iterator(folder, options);
       entry != fs::recursive_directory_iterator(); ++entry) {
    if (is_hidden(entry->path())) {
      if (entry->is_directory()) entry.disable_recursion_pending();
      continue;
    }
    const bool index = entry->path().filename() == "DICOMDIR";
    if (entry->is_regular_file() && !index) found.push_back(entry->path().string());
  }
  if (found.empty()) throw Error(fmt::format("{} holds no files.", folder.string()));
  std::sort(found.begin(), found.end());
  inputs.insert(inputs.end(), found.begin(), found.end());
}

std::vector<std::string> matches(const std::string& pattern) {
  glob_t result{};
  std::vector<std::string> found;
  if (glob(pattern.c_str(), GLOB_TILDE, nullptr, &result) == 0) {
    found.assign(result.gl_pathv, result.gl_pathv + result.gl_pathc);
  }
  globfree(&result);
  return found;
}

void add(const std::string& name, std::vector<std::string>& inputs) {
  std::error_code ignored;
  if (fs::is_directory(name, ignored)) return add_folder(name, inputs);
  if (fs::exists(name, ignored)) {
    inputs.push_back(name);
    return;
  }
  const bool pattern = name.find_first_of("*?[") != std::string::npos;
  const auto found = pattern ? matches(name) : std::vector<std::string>{};
  if (found.empty()) {
    throw Error(name + (pattern ? " matches no file." : " does not exist."));
  }
  for (const auto& path : found) add(path, inputs);
}

}  // namespace

std::vector<std::string> expand_inputs(const std::vector<std::string>& names, std::istream& list) {
  std::vector<std::string> inputs;
  for (const auto& name : names) {
    if (name != "-") {
      add(name, inputs);
      continue;
    }
    for (std::string line; std::getline(list, line);) {
      if (!line.empty() && line.back() == '\r') line.pop_back();
      // A name on a list that does not exist is reported and skipped like a file that cannot be
      // read.
      std::error_code ignored;
      if (fs::exists(line, ignored)) {
        add(line, inputs);
      } else if (!line.empty()) {
        inputs.push_back(line);
      }
    }
  }
  return inputs;
}

}  // namespace salus::io
