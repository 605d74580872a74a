#include "engine/train/logger.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/io/error.h"
#include "engine/io/files.h"

namespace salus::train {
namespace {

std::int64_t first_step(const History& history) {
  return history.empty() ? 0 : history.back().step + 1;
}

void append_text(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::app | std::ios::binary);
  file << text;
  file.close();
  if (!file) throw Error(fmt::format("{} cannot be written: is the disk full?", path));
}

std::string prepare_folder(const std::string& folder) {
  std::filesystem::create_directories(folder);
  return folder;
}

}  // namespace

double find_metric(const Metrics& metrics, const std::string& name) {
  for (const auto& [key, value] : metrics) {
    if (key == name) return value;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

std::string csv_header(const EpochRow& row) {
  std::string line = "epoch,step";
  for (const auto& [key, value] : row.values) line += "," + key;
  return line + "\n";
}

std::string csv_line(const EpochRow& row) {
  std::string line = fmt::format("{},{}", row.epoch, row.step);
  for (const auto& [key, value] : row.values) {
    line += std::isnan(value) ? std::string(",") : fmt::format(",{:.9g}", value);
  }
  return line + "\n";
}

std::string json_line(const EpochRow& row) {
  nlohmann::ordered_json object{{"epoch", row.epoch}, {"step", row.step}};
  for (const auto& [key, value] : row.values) object[key] = value;  // NaN is dumped as null
  return object.dump() + "\n";
}

Logger::Logger(std::string folder, const History& history)
    : folder_(prepare_folder(folder)), events_(folder_, first_step(history)) {
  std::string csv, json;
  for (const EpochRow& row : history) {
    if (csv.empty()) csv = csv_header(row);
    csv += csv_line(row);
    json += json_line(row);
  }
  io::write_text(folder_ + "/log.csv", csv);
  io::write_text(folder_ + "/log.jsonl", json);
}

void Logger::append(const EpochRow& row) {
  const std::string csv = folder_ + "/log.csv";
  const bool first = std::filesystem::file_size(csv) == 0;
  append_text(csv, (first ? csv_header(row) : "") + csv_line(row));
  append_text(folder_ + "/log.jsonl", json_line(row));
  Metrics scalars;
  for (const auto& [key, value] : row.values) {
    // "train/loss" and "valid/loss" share a group of charts in TensorBoard's page.
    std::string tag = key;
    if (tag.starts_with("train_") || tag.starts_with("valid_")) tag[5] = '/';
    scalars.emplace_back(tag, value);
  }
  events_.write(row.step, scalars);
}

}  // namespace salus::train
