#include "engine/io/series.h"

#include <fmt/format.h>

#include <filesystem>
#include <map>

#include "engine/io/dicom.h"
#include "engine/io/error.h"

namespace salus::io {
namespace fs = std::filesystem;
namespace {

/// SeriesInstanceUID; "" if the file has none or is no readable DICOM file.
std::string series_of(const std::string& file) {
  try {
    return read_dicom_identities(file).series_uid;
  } catch (const Error&) {
    return {};
  }
}

std::string folder_of(const std::string& file) { return fs::path(file).parent_path().string(); }

/// Names a series by its folder where the folder's other files are not of another input.
void name_by_folder(std::vector<Input>& inputs) {
  std::map<std::string, std::size_t> inputs_in;
  for (const Input& input : inputs) {
    std::map<std::string, bool> folders;
    for (const std::string& file : input.files) folders[folder_of(file)] = true;
    for (const auto& [folder, _] : folders) inputs_in[folder] += folders.size();
  }
  for (Input& input : inputs) {
    const std::string folder = folder_of(input.files[0]);
    if (input.files.size() > 1 && inputs_in[folder] == 1 && !folder.empty()) input.id = folder;
  }
}

}  // namespace

std::vector<Input> file_inputs(const std::vector<std::string>& files) {
  std::vector<Input> inputs;
  for (const std::string& file : files) inputs.push_back({file, {file}});
  return inputs;
}

std::vector<Input> series_inputs(const std::vector<std::string>& files) {
  std::vector<Input> inputs;
  std::map<std::string, std::size_t> place;
  for (const std::string& file : files) {
    const std::string series = series_of(file);
    const auto [found, is_new] = place.emplace(series, inputs.size());
    if (series.empty() || is_new) {
      inputs.push_back({file, {file}, !series.empty()});
    } else {
      inputs[found->second].files.push_back(file);
    }
  }
  name_by_folder(inputs);
  return inputs;
}

Volume read_input(const Input& input, const VolumeOptions& options, const ReadLimits& limits) {
  if (input.files.size() > 1) return read_series(input.files, options, limits);
  Volume volume;
  volume.image = read_image(input.files.at(0), limits);
  if (!input.series || !has_placed_frames(volume.image)) return volume;
  return volume_of_frames(std::move(volume.image), input.files[0], options);
}

VolumeOptions allow_irregular(const std::vector<std::string>& names) {
  VolumeOptions options;
  const std::map<std::string, bool*> known{{"missing", &options.allow_missing},
                                           {"duplicates", &options.allow_duplicates},
                                           {"uneven", &options.allow_uneven},
                                           {"tilt", &options.allow_tilt},
                                           {"mixed", &options.allow_mixed}};
  for (const std::string& name : names) {
    const auto found = known.find(name);
    if (found == known.end()) {
      throw UsageError(fmt::format(
          "'{}' is no irregularity of a series; there are missing, duplicates, uneven, tilt and "
          "mixed.",
          name));
    }
    *found->second = true;
  }
  return options;
}

}  // namespace salus::io
