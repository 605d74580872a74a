#include "engine/infer/bundle.h"

#include <fmt/format.h>

#include <filesystem>
#include <set>
#include <span>
#include <string_view>

#include "engine/infer/bundle_toml.h"
#include "engine/infer/weights.h"
#include "engine/io/error.h"
#include "engine/io/files.h"

namespace salus::infer {
namespace {

namespace fs = std::filesystem;

constexpr const char* kToml = "bundle.toml";
constexpr const char* kWeights = "model.safetensors";
constexpr const char* kMetrics = "metrics.json";
constexpr const char* kCard = "MODEL_CARD.md";

std::string in(const std::string& folder, const std::string& name) {
  return (fs::path(folder) / name).string();
}

void refuse_other_folder(const std::string& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored) || fs::exists(in(path, kToml), ignored)) return;
  if (fs::is_directory(path, ignored) && fs::is_empty(path, ignored)) return;
  throw Error(
      fmt::format("{} exists and is not a bundle; it is left as it is. Give another name.", path));
}

io::NamedArrays to_arrays(const Bundle& bundle) {
  io::NamedArrays arrays;
  for (const auto& [name, value] : bundle.weights) {
    const bool narrow =
        bundle.weights_dtype == "bfloat16" && value.is_floating_point() && value.dim() >= 2;
    arrays[name] = to_array(narrow ? value.to(at::kBFloat16) : value, name);
  }
  return arrays;
}

/// The last line of bundle.toml: what a damaged copy does not agree with, and who edits the file by
/// hand can take out.
constexpr std::string_view kSeal =
    "# SHA-256 of all above; to edit this file by hand, remove this line: ";

std::string seal_of(std::string_view text) {
  return io::sha256(std::as_bytes(std::span(text.data(), text.size())));
}

std::string sealed(std::string text) {
  text += "\n";
  return fmt::format("{}{}{}\n", text, kSeal, seal_of(text));
}

/// A text without a seal is of a bundle that is older, or changed by hand.
void check_seal(std::string_view text, const std::string& origin) {
  const auto at = text.rfind(fmt::format("\n{}", kSeal));
  if (at == std::string_view::npos) return;
  const std::string_view above = text.substr(0, at + 1), line = text.substr(at + 1);
  if (line == fmt::format("{}{}\n", kSeal, seal_of(above))) return;
  throw Error(fmt::format(
      "{} is not as it was saved: the SHA-256 in its last line is of another text. Copy the bundle "
      "again; if you changed the file yourself, remove that line.",
      origin));
}

void verify(const std::string& folder, const std::vector<FileChecksum>& files) {
  std::set<std::string> seen;
  for (const FileChecksum& file : files) {
    if (file.name != fs::path(file.name).filename().string() || file.name.starts_with(".")) {
      throw Error(fmt::format("{} names the file '{}', which is not a plain file name.",
                              in(folder, kToml), file.name));
    }
    if (io::sha256_file(in(folder, file.name)) != file.sha256) {
      throw Error(
          fmt::format("{} is not the file that the bundle was saved with: its SHA-256 "
                      "differs from the one in {}. Copy the bundle again.",
                      in(folder, file.name), kToml));
    }
    seen.insert(file.name);
  }
  for (const char* name : {kWeights, kMetrics, kCard}) {
    if (seen.contains(name)) continue;
    throw Error(fmt::format("{} has no checksum of {}.", in(folder, kToml), name));
  }
}

at::Tensor read_tensor(const io::NamedArray& array, const std::string& name) {
  at::Tensor tensor = to_tensor(array, name);
  return tensor.is_floating_point() ? tensor.to(at::kFloat) : tensor;
}

}  // namespace

void save_bundle(const Bundle& bundle, const std::string& path) {
  check_consistent(bundle, path);
  refuse_other_folder(path);
  io::AtomicFolder folder(path);
  io::write_safetensors(in(folder.path(), kWeights), to_arrays(bundle));
  io::write_text(in(folder.path(), kMetrics), bundle.metrics_json);
  io::write_text(in(folder.path(), kCard), bundle.model_card);
  std::vector<FileChecksum> files;
  for (const char* name : {kWeights, kMetrics, kCard}) {
    files.push_back({name, io::sha256_file(in(folder.path(), name))});
  }
  io::write_text(in(folder.path(), kToml), sealed(write_bundle_toml(bundle, files)));
  folder.commit();
}

Bundle load_bundle(const std::string& path) {
  const std::string toml = in(path, kToml);
  std::error_code ignored;
  if (!fs::exists(toml, ignored)) {
    throw Error(fmt::format("{} is not a bundle: there is no {} in it.", path, kToml));
  }
  std::vector<FileChecksum> files;
  const std::string text = io::read_text(toml);
  check_seal(text, toml);
  Bundle bundle = parse_bundle_toml(text, toml, files);
  verify(path, files);
  for (const auto& [name, array] : io::read_safetensors(in(path, kWeights))) {
    bundle.weights[name] = read_tensor(array, name);
  }
  bundle.metrics_json = io::read_text(in(path, kMetrics));
  bundle.model_card = io::read_text(in(path, kCard));
  return bundle;
}

}  // namespace salus::infer
