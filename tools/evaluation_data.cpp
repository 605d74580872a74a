#include "tools/evaluation_data.h"

#include <fmt/format.h>

#include <filesystem>
#include <set>

#include "engine/core/toml_text.h"
#include "engine/data/known_labels.h"
#include "engine/io/error.h"

namespace salus::tools {
namespace fs = std::filesystem;
void EvaluationData::add_to(CLI::App& app) {
  app.add_option(
         "DATA", path,
         "Images: manifest (CSV or Parquet), MedMNIST .npz, or a folder with one sub-folder "
         "per class. Stays: folder or archive of PhysioNet files, or table of events")
      ->required();
  app.add_option("--part", part,
                 "Part of an .npz, or of a manifest with --split-column: train, valid or test "
                 "(default: test)");
  app.add_option("--split-column", split_column,
                 "Column of a manifest that names the part of a row");
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
  config.override_with("root", toml_string(base.string()));
  if (folder) {
    refuse_options_without_columns("a folder of classes");
    config.override_with("folder", toml_string("."));
    return config;
  }
  const bool npz = data.extension() == ".npz";
  config.override_with(npz ? "npz" : "manifest", toml_string(fs::relative(data, base).string()));
  if (npz) {
    refuse_options_without_columns("an .npz");
    return config;
  }
  if (part && split_column.empty()) {
    throw UsageError("--part of a manifest needs --split-column, the column that names the parts.");
  }
  if (!split_column.empty()) config.override_with("split.column", toml_string(split_column));
  if (!file.empty()) config.override_with("file", toml_string(file));
  if (!label.empty()) config.override_with("label", toml_string(label));
  if (!patient.empty()) config.override_with("patient", toml_string(patient));
  config.override_with("subgroups", toml_list(subgroups));
  return config;
}

void EvaluationData::refuse_options_without_columns(const char* of) const {
  const bool given = !file.empty() || !label.empty() || !patient.empty() || !split_column.empty() ||
                     !subgroups.empty();
  if (!given) return;
  throw UsageError(fmt::format(
      "{} has no columns: --file, --label, --patient, --split-column and --subgroups are for a "
      "manifest.",
      of));
}

Config EvaluationData::config(const Config& transform) const {
  if (data::modality_of(transform) == Modality::kImage) return image_config();
  if (part || !split_column.empty() || !file.empty() || !patient.empty() || !root.empty()) {
    throw UsageError(
        "--part, --split-column, --file, --patient and --root are for images, and this bundle "
        "takes vital signs.");
  }
  auto config = stays.config(transform.get_string("source", "long"), {path});
  if (!label.empty()) config.override_with("label", toml_string(label));
  config.override_with("subgroups", toml_list(subgroups));
  return config;
}

/// Positions of the cases of the part that is asked for.
std::vector<std::int64_t> EvaluationData::of_part(const std::vector<data::CaseInfo>& cases) const {
  const std::string named = part.value_or("test");
  const std::string wanted = data::part_named(named);
  std::vector<std::int64_t> positions;
  std::set<std::string> parts;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const std::string& own = cases[i].part;
    if (!own.empty()) parts.insert(own);
    if (own.empty() || own == wanted) positions.push_back(static_cast<std::int64_t>(i));
  }
  if (!positions.empty() || cases.empty()) return positions;
  throw Error(
      fmt::format("{} has no part \"{}\"; it has {}.", path, named, fmt::join(parts, ", ")));
}

EvaluationCases EvaluationData::score(const infer::Session& session, int threads,
                                      const data::Unreadable& unreadable) const {
  EvaluationCases out;
  const auto leave_out = [&](const std::string& reason) {
    ++out.unreadable;
    unreadable(reason);
  };
  const auto& bundle = session.bundle();
  const auto transform = bundle.transform_table();
  const auto named = config(transform);
  const auto source = data::open_source(named, transform, bundle.task, threads, leave_out);
  tell_remarks(*source);
  auto positions = of_part(source->cases());
  out.dataset = source->open(positions);
  if (!positions.empty()) {
    data::require_known_labels(*out.dataset, named, bundle.task, "the data");
  }
  out.scored = infer::predict_cases(session, *out.dataset, threads, leave_out);
  auto& left_out = out.scored.unreadable;
  for (; !left_out.empty(); left_out.pop_back()) {
    positions.erase(positions.begin() + left_out.back());
  }
  if (positions.empty()) {
    throw Error(fmt::format("None of the {} cases of {} can be read; the reasons stand above.",
                            out.unreadable, path));
  }
  if (out.dataset->size() != std::ssize(positions)) out.dataset = source->open(positions);
  return out;
}

}  // namespace salus::tools
