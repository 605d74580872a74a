#include "engine/similar/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "engine/core/config.h"
#include "engine/io/crc32c.h"
#include "engine/io/error.h"
#include "engine/io/files.h"

namespace salus::similar {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "salus similarity index";
constexpr int kVersion = 1;

const std::vector<std::pair<std::string, kernels::Metric>>& metrics() {
  static const std::vector<std::pair<std::string, kernels::Metric>> table = {
      {"cosine", kernels::Metric::kCosine},
      {"ip", kernels::Metric::kInnerProduct},
      {"l2", kernels::Metric::kL2}};
  return table;
}

const std::vector<std::pair<std::string, at::ScalarType>>& dtypes() {
  static const std::vector<std::pair<std::string, at::ScalarType>> table = {
      {"f32", at::kFloat}, {"f16", at::kHalf}, {"bf16", at::kBFloat16}, {"int8", at::kChar}};
  return table;
}

template <typename T>
T value_of(const std::vector<std::pair<std::string, T>>& table, const std::string& name,
           const char* what) {
  std::vector<std::string> names;
  for (const auto& [key, value] : table) {
    if (key == name) return value;
    names.push_back(key);
  }
  throw UsageError(
      fmt::format("There is no {} \"{}\"; choose one of {}.", what, name, fmt::join(names, ", ")));
}

template <typename T>
std::string name_of(const std::vector<std::pair<std::string, T>>& table, T value) {
  for (const auto& [key, candidate] : table) {
    if (candidate == value) return key;
  }
  return "";
}

Json to_json(const Manifest& manifest) {
  Json json;
  json["generation"] = manifest.generation;
  json["metric"] = to_string(manifest.metric);
  json["dtype"] = dtype_name(manifest.dtype);
  json["originals"] = manifest.originals;
  json["dim"] = manifest.dim;
  json["ids"] = manifest.ids == IdKind::kInteger ? "integer" : "text";
  json["numbered"] = manifest.numbered;
  json["next_id"] = manifest.next_id;
  json["id_column"] = manifest.id_column;
  json["columns"] = manifest.columns;
  json["mean"] = manifest.mean;
  json["deviation"] = manifest.deviation;
  json["attributes"] = Json::array();
  for (const AttributeType& type : manifest.attributes) {
    json["attributes"].push_back(
        {{"name", type.name}, {"kind", type.kind == AttributeKind::kNumber ? "number" : "text"}});
  }
  json["segments"] = Json::array();
  for (const SegmentEntry& entry : manifest.segments) {
    json["segments"].push_back({{"file", entry.file},
                                {"rows", entry.rows},
                                {"alive", entry.alive},
                                {"deleted", entry.deleted}});
  }
  return json;
}

Manifest from_json(const Json& json) {
  Manifest manifest;
  manifest.generation = json.at("generation").get<std::int64_t>();
  manifest.metric = parse_metric(json.at("metric").get<std::string>());
  manifest.dtype = parse_dtype(json.at("dtype").get<std::string>());
  manifest.originals = json.at("originals").get<bool>();
  manifest.dim = json.at("dim").get<std::int64_t>();
  manifest.ids = json.at("ids") == "integer" ? IdKind::kInteger : IdKind::kText;
  manifest.numbered = json.at("numbered").get<bool>();
  manifest.next_id = json.at("next_id").get<std::int64_t>();
  manifest.id_column = json.at("id_column").get<std::string>();
  manifest.columns = json.at("columns").get<std::vector<std::string>>();
  manifest.mean = json.at("mean").get<std::vector<double>>();
  manifest.deviation = json.at("deviation").get<std::vector<double>>();
  for (const Json& type : json.at("attributes")) {
    manifest.attributes.push_back({type.at("name").get<std::string>(), type.at("kind") == "number"
                                                                           ? AttributeKind::kNumber
                                                                           : AttributeKind::kText});
  }
  for (const Json& entry : json.at("segments")) {
    manifest.segments.push_back(
        {entry.at("file").get<std::string>(), entry.at("rows").get<std::int64_t>(),
         entry.at("alive").get<std::string>(), entry.at("deleted").get<std::int64_t>()});
  }
  return manifest;
}

/// Whether what the manifest says can be true, so that nobody after it need ask.
bool is_possible(const Manifest& manifest) {
  const auto dim = static_cast<std::size_t>(manifest.dim);
  const auto none_or_each = [&](std::size_t count) { return count == 0 || count == dim; };
  bool good = manifest.generation >= 1 && manifest.dim >= 1 &&
              manifest.dim <= kernels::kLargestSimilarityDim && manifest.next_id >= 0 &&
              none_or_each(manifest.columns.size()) && none_or_each(manifest.mean.size()) &&
              manifest.mean.size() == manifest.deviation.size();
  for (const double value : manifest.deviation) good = good && value > 0;
  std::set<std::string> files;
  std::int64_t rows = 0;
  for (const SegmentEntry& entry : manifest.segments) {
    good = good && is_data_file(entry.file) && files.insert(entry.file).second &&
           (entry.alive.empty() || (is_data_file(entry.alive) && files.insert(entry.alive).second));
    // More rows than any disk holds; below it no size that is worked out from rows and dim wraps.
    good = good && entry.rows >= 1 && entry.rows < (std::int64_t{1} << 46) - rows &&
           entry.deleted >= 0 && entry.deleted <= entry.rows &&
           (entry.deleted == 0) == entry.alive.empty();
    if (good) rows += entry.rows;
  }
  return good;
}

std::string checksum_of(const Json& json) {
  const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  return fmt::format("{:08x}", io::crc32c(std::as_bytes(std::span(text))));
}

[[noreturn]] void refuse(const std::string& path, const std::string& reason) {
  throw Error(fmt::format("{} {}.", path, reason));
}

constexpr const char* kDamaged =
    "is damaged: its checksum does not fit what it says; copy the index again or build it anew";

/// The manifest's part of the file, after its version and checksum were found right.
Json checked_body(const Json& file, const std::string& path) {
  if (!file.is_object() || !file.contains("format") || file.at("format") != kFormat ||
      !file.contains("version") || !file.at("version").is_number_integer()) {
    refuse(path, "is not the manifest of a similarity index; build one by `salus similar build`");
  }
  const auto version = file.at("version").get<std::int64_t>();
  if (version > kVersion) {
    refuse(path, fmt::format("is of version {} where this program knows up to {}; read it with the "
                             "newer salus that wrote it",
                             version, kVersion));
  }
  if (version < 1 || !file.contains("index") || !file.contains("checksum") ||
      file.at("checksum") != checksum_of(file.at("index"))) {
    refuse(path, kDamaged);
  }
  return file.at("index");
}

}  // namespace

std::int64_t Manifest::rows() const {
  std::int64_t sum = 0;
  for (const SegmentEntry& entry : segments) sum += entry.rows;
  return sum;
}

std::int64_t Manifest::deleted() const {
  std::int64_t sum = 0;
  for (const SegmentEntry& entry : segments) sum += entry.deleted;
  return sum;
}

std::size_t Manifest::attribute(const std::string& name) const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < attributes.size(); ++i) {
    if (attributes[i].name == name) return i;
    names.push_back(attributes[i].name);
  }
  const std::string near = nearest(name, names);
  if (names.empty()) {
    throw UsageError(fmt::format(
        "The index has no attribute \"{}\", nor any other: name them by --attributes when it is "
        "built.",
        name));
  }
  throw UsageError(near.empty() ? fmt::format("The index has no attribute \"{}\"; it has {}.", name,
                                              fmt::join(names, ", "))
                                : fmt::format("The index has no attribute \"{}\"; did you mean "
                                              "\"{}\"?",
                                              name, near));
}

bool is_data_file(const std::string& name) {
  const bool segment = name.starts_with("segment-") && name.ends_with(".rows");
  const bool alive = name.starts_with("alive-") && name.ends_with(".bits");
  if (!segment && !alive) return false;
  const std::size_t begin = name.find('-') + 1;
  const std::size_t count = name.size() - 5 - begin;
  return count > 0 && std::all_of(name.begin() + static_cast<std::ptrdiff_t>(begin), name.end() - 5,
                                  [](char c) { return (c >= '0' && c <= '9') || c == '-'; });
}

Manifest read_manifest(const std::string& folder) {
  const std::string path = folder + "/" + kManifestFile;
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored)) {
    refuse(folder, "is not a folder, as an index is; build one by `salus similar build`");
  }
  if (!std::filesystem::exists(path, ignored)) {
    refuse(folder, fmt::format("is not a similarity index: it has no {}; build one by `salus "
                               "similar build`",
                               kManifestFile));
  }
  const Json file = Json::parse(io::read_text(path), nullptr, /*allow_exceptions=*/false);
  if (file.is_discarded()) refuse(path, kDamaged);
  const Json body = checked_body(file, path);
  try {
    Manifest manifest = from_json(body);
    if (!is_possible(manifest)) refuse(path, kDamaged);
    return manifest;
  } catch (const Json::exception&) {
    refuse(path, kDamaged);
  } catch (const UsageError&) {  // an unknown metric or dtype
    refuse(path, kDamaged);
  }
}

void write_manifest(const std::string& folder, const Manifest& manifest) {
  Json file;
  file["format"] = kFormat;
  file["version"] = kVersion;
  file["index"] = to_json(manifest);
  file["checksum"] = checksum_of(file["index"]);
  io::write_text(folder + "/" + kManifestFile,
                 file.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::string to_string(kernels::Metric metric) { return name_of(metrics(), metric); }
std::string dtype_name(at::ScalarType dtype) { return name_of(dtypes(), dtype); }
kernels::Metric parse_metric(const std::string& name) {
  return value_of(metrics(), name, "metric");
}
at::ScalarType parse_dtype(const std::string& name) { return value_of(dtypes(), name, "dtype"); }

}  // namespace salus::similar
