#include "engine/io/inputs.h"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <istream>
#include <string_view>

namespace salus::io {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";  // UTF-8, as editors of Windows write

bool is_left_out(const fs::path& path) {
  const auto name = path.filename().string();
  return name.empty() || name[0] == '.' || name == "DICOMDIR";
}

bool is_there(const std::string& name) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(name, ignored));
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

/// Why nothing can be opened at `path`, whose status() gave `error`.
std::string why_not(const std::string& path, fs::file_type type, const std::error_code& error) {
  if (type == fs::file_type::none) return fmt::format("{}: {}.", path, error.message());
  return path + (is_there(path) ? " is a link that leads nowhere." : " does not exist.");
}

class Expander {
 public:
  /// A path, or a pattern where there is no such path.
  void add_name(const std::string& name) {
    const bool pattern = name.find_first_of("*?[") != std::string::npos;
    if (!pattern || is_there(name)) return add_path(name);
    const auto found = matches(name);
    if (found.empty()) report(name + " matches no file.");
    for (const auto& path : found) add_path(path);
  }

  void add_list(std::istream& list) {
    bool first = true, any = false;
    for (std::string line; std::getline(list, line);) {
      if (first && line.starts_with(kByteOrderMark)) line.erase(0, kByteOrderMark.size());
      first = false;
      if (!line.empty() && line.back() == '\r') line.pop_back();
      if (line.empty()) continue;
      any = true;
      add_name(line);
    }
    if (!any) report("The list on standard input names no file.");
  }

  NamedFiles take() { return std::move(named_); }

 private:
  void add_path(const std::string& path) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (fs::is_directory(status)) {
      add_folder(path);
    } else if (fs::exists(status)) {
      named_.files.push_back(path);
    } else {
      report(why_not(path, status.type(), error));
    }
  }

  void add_folder(const std::string& folder) {
    const std::size_t files = named_.files.size(), problems = named_.problems.size();
    walk(folder);
    const auto sort_from = [](std::vector<std::string>& all, std::size_t first) {
      std::sort(all.begin() + static_cast<std::ptrdiff_t>(first), all.end());
    };
    sort_from(named_.files, files);
    sort_from(named_.problems, problems);
    if (named_.files.size() == files && named_.problems.size() == problems) {
      report(folder + " holds no files.");
    }
  }

  void walk(const fs::path& folder) {
    std::error_code error;
    fs::directory_iterator entry(folder, error);
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) look_at(*entry);
    if (error) {
      report(fmt::format("The folder {} cannot be read: {}.", folder.string(), error.message()));
    }
  }

  void look_at(const fs::directory_entry& entry) {
    if (is_left_out(entry.path())) return;
    const std::string path = entry.path().string();
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (fs::is_regular_file(status)) {
      named_.files.push_back(path);
    } else if (!fs::exists(status)) {
      report(why_not(path, status.type(), error));
    } else if (!fs::is_directory(status)) {
      report(path + " is no regular file.");
    } else if (fs::is_symlink(fs::symlink_status(path, error))) {
      report(path + " is a link to a folder, which is not followed: name the folder itself.");
    } else {
      walk(entry.path());
    }
  }

  void report(std::string problem) { named_.problems.push_back(std::move(problem)); }

  NamedFiles named_;
};

}  // namespace

NamedFiles expand_inputs(const std::vector<std::string>& names, std::istream& list) {
  Expander expander;
  for (const auto& name : names) {
    name == "-" ? expander.add_list(list) : expander.add_name(name);
  }
  return expander.take();
}

}  // namespace salus::io
