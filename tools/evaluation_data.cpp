#include "tools/evaluation_data.h"

#include <fmt/format.h>

#include <filesystem>

#include "engine/io/error.h"

namespace salus::tools {
namespace fs = std::filesystem;
namespace {

/// A TOML string, so that a path with quotes or a number stays what it is.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace

void EvaluationData::add_to(CLI::App& app) {
  app.add_option("DATA", path,
                 "Manifest (CSV or Parquet), MedMNIST .npz, or a folder with one sub-folder per "
                 "class")
      ->required();
  app.add_option("--part", part, "Part of an .npz: train, val or test")->capture_default_str();
  app.add_option("--root", root,
                 "Folder that a manifest's paths are relative to (default: its own)");
  app.add_option("--file", file, "Column of the file (default: file)");
  app.add_option("--label", label, "Column of the label (default: named like the bundle's label)");
  app.add_option("--patient", patient, "Column of the patient (default: patient_id, if there)");
  app.add_option("--subgroups", subgroups, "Columns to report by")->delimiter(',');
}

Config EvaluationData::config() const {
  auto config = Config::parse("", "command line");
  const fs::path data = path;
  if (!fs::exists(data)) throw Error(fmt::format("{} does not exist.", path));
  const bool folder = fs::is_directory(data);
  const auto parent = data.parent_path().empty() ? fs::path(".") : data.parent_path();
  const auto base = folder ? data : root.empty() ? parent : fs::path(root);
  config.override_with("root", quoted(base.string()));
  if (folder) {
    config.override_with("folder", quoted("."));
    return config;
  }
  const bool npz = data.extension() == ".npz";
  config.override_with(npz ? "npz" : "manifest", quoted(fs::relative(data, base).string()));
  if (npz) return config;
  if (!file.empty()) config.override_with("file", quoted(file));
  if (!label.empty()) config.override_with("label", quoted(label));
  if (!patient.empty()) config.override_with("patient", quoted(patient));
  std::vector<std::string> columns;
  for (const auto& column : subgroups) columns.push_back(quoted(column));
  config.override_with("subgroups", fmt::format("[{}]", fmt::join(columns, ", ")));
  return config;
}

std::unique_ptr<data::ImageDataset> EvaluationData::open(const infer::Session& session,
                                                         int threads) const {
  const auto& task = session.bundle().task;
  return std::make_unique<data::ImageDataset>(
      data::read_cases(config(), task, part),
      std::make_shared<data::Transform>(session.transform()), task, threads);
}

}  // namespace salus::tools
