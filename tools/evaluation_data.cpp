#include "tools/evaluation_data.h"

#include <fmt/format.h>

#include <filesystem>
#include <set>

#include "engine/io/error.h"

namespace salus::tools {
namespace fs = std::filesystem;
void EvaluationData::add_to(CLI::App& app) {
  app.add_option(
         "DATA", path,
         "Images: manifest (CSV or Parquet), MedMNIST .npz, or a folder with one sub-folder "
         "per class. Stays: folder or archive of PhysioNet files, or table of events")
      ->required();
  app.add_option("--part", part, "Part of an .npz: train, val or test")->capture_default_str();
  app.add_option("--root", root,
                 "Folder that a manifest's paths are relative to (default: its own)");
  app.add_option("--file", file, "Column of the file (default: file)");
  app.add_option("--label", label, "Column of the label (default: named like the bundle's label)");
  app.add_option("--patient", patient, "Column of the patient (default: patient_id, if there)");
  stays.add_to(app);
  app.add_option("--subgroups", subgroups, "Columns to report by")->delimiter(',');
}

Config EvaluationData::image_config() const {
  auto config = Config::parse("", "command line");
  const fs::path data = path;
  if (!fs::exists(data)) throw Error(fmt::format("{} does not exist.", path));
  const bool folder = fs::is_directory(data);
  const auto parent = data.parent_path().empty() ? fs::path(".") : data.parent_path();
  const auto base = folder ? data : root.empty() ? parent : fs::path(root);
  config.override_with("root", toml_text(base.string()));
  if (folder) {
    config.override_with("folder", toml_text("."));
    return config;
  }
  const bool npz = data.extension() == ".npz";
  config.override_with(npz ? "npz" : "manifest", toml_text(fs::relative(data, base).string()));
  if (npz) return config;
  if (!file.empty()) config.override_with("file", toml_text(file));
  if (!label.empty()) config.override_with("label", toml_text(label));
  if (!patient.empty()) config.override_with("patient", toml_text(patient));
  config.override_with("subgroups", toml_text(subgroups));
  return config;
}

Config EvaluationData::config(const Config& transform) const {
  if (data::modality_of(transform) == Modality::kImage) return image_config();
  auto config = stays.config(transform.get_string("source", "long"), {path});
  if (!label.empty()) config.override_with("label", toml_text(label));
  config.override_with("subgroups", toml_text(subgroups));
  return config;
}

std::unique_ptr<data::Dataset> EvaluationData::open(const infer::Session& session,
                                                    int threads) const {
  const auto& bundle = session.bundle();
  const auto transform = bundle.transform_table();
  const auto source = data::open_source(config(transform), transform, bundle.task, threads);
  const std::string wanted = part == "val" ? "valid" : part;
  std::vector<std::int64_t> positions;
  std::set<std::string> parts;
  for (std::size_t i = 0; i < source->cases().size(); ++i) {
    const std::string& own = source->cases()[i].part;
    if (!own.empty()) parts.insert(own);
    if (own.empty() || own == wanted) positions.push_back(static_cast<std::int64_t>(i));
  }
  if (!positions.empty()) return source->open(positions);
  throw Error(fmt::format("{} has no part \"{}\"; it has {}.", path, part, fmt::join(parts, ", ")));
}

}  // namespace salus::tools
