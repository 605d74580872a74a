#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "engine/data/stay_source.h"
#include "engine/io/error.h"
#include "engine/io/files.h"

namespace salus::data {

/// A folder with the files of a long table, opened as a source.
class StayFiles : public ::testing::Test {
 protected:
  explicit StayFiles(std::string transform)
      : folder_(std::filesystem::temp_directory_path() /
                ("salus-stays-" + std::to_string(getpid()))),
        transform_(std::move(transform)) {
    std::filesystem::create_directories(folder_);
  }
  ~StayFiles() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) {
    io::write_text((folder_ / name).string(), text);
  }

  /// \param data  keys beside root and the files that were written.
  StaySource open(const std::string& data, const Task& task, const std::string& transform) {
    std::string files = "root = '" + folder_.string() + "'\nevents = 'events.csv'\n";
    for (const char* name : {"statics", "labels"}) {
      if (!std::filesystem::exists(folder_ / (std::string(name) + ".csv"))) continue;
      files += std::string(name) + (std::string(name) == "labels" ? "_file" : "");
      files += " = '" + std::string(name) + ".csv'\n";
    }
    return StaySource(Config::parse(files + data, "test.toml"),
                      Config::parse(transform, "transform"), task, 1);
  }
  StaySource open(const std::string& data, const Task& task) {
    return open(data, task, transform_);
  }
  std::string refusal(const std::string& data, const Task& task) {
    try {
      open(data, task);
    } catch (const Error& error) {
      return error.what();
    }
    return "(nothing thrown)";
  }

  std::filesystem::path folder_;
  std::string transform_;
};

}  // namespace salus::data
