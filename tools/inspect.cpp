#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "engine/io/dicom.h"
#include "engine/io/error.h"
#include "engine/io/frame_steps.h"
#include "engine/io/image.h"
#include "engine/io/inputs.h"
#include "engine/io/modality.h"
#include "engine/io/npy.h"
#include "engine/io/series.h"
#include "engine/io/text_encoding.h"
#include "tools/command.h"

namespace salus::tools {
namespace {

using Json = nlohmann::ordered_json;

Json describe_table(const io::LookupTable& lut) {
  return {{"first_value", lut.first},
          {"entries", lut.entries.size()},
          {"bits", lut.bits},
          {"explanation", lut.explanation}};
}

Json describe_chain(const io::GrayscaleChain& chain) {
  Json out;
  out["unit"] = chain.unit;
  if (chain.modality_lut) {
    out["modality_lut"] = describe_table(*chain.modality_lut);
  } else if (chain.has_rescale) {
    out["rescale"] = {{"slope", chain.slope}, {"intercept", chain.intercept}};
  } else {
    out["rescale"] = nullptr;
  }
  out["windows"] = Json::array();
  for (const auto& window : chain.windows) {
    out["windows"].push_back(
        {{"center", window.center}, {"width", window.width}, {"explanation", window.explanation}});
  }
  constexpr const char* kFunctions[] = {"LINEAR", "LINEAR_EXACT", "SIGMOID"};
  out["voi_function"] = kFunctions[static_cast<int>(chain.function)];
  out["voi_luts"] = Json::array();
  for (const auto& lut : chain.voi_luts) out["voi_luts"].push_back(describe_table(lut));
  return out;
}

Json describe_geometry(const io::Image& image) {
  if (image.geometry.empty() || !image.geometry[0]) return nullptr;
  const auto& first = *image.geometry[0];
  return {{"origin_lps_mm", first.origin},
          {"row_direction", first.row_cosine},
          {"column_direction", first.column_cosine}};
}

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

/// A stored value: whole numbers without a decimal point.
Json stored_value(double value) {
  const bool whole = value == std::floor(value) && std::abs(value) <= 4294967296.0;
  return whole ? Json(static_cast<std::int64_t>(value)) : Json(value);
}

/// How the files of a series became a volume.
Json describe_volume(const io::Volume& volume) {
  Json out{{"slices", volume.image.pixels.frames},
           {"slice_spacing_mm", volume.slice_spacing},
           {"files", volume.files}};
  const auto& frames = volume.frames;
  if (std::any_of(frames.begin(), frames.end(), [](std::int64_t frame) { return frame > 0; })) {
    out["frames"] = frames;
  }
  return out;
}

/// Millimetres without the noise of arithmetic.
double rounded(double millimetres) { return std::round(millimetres * 1e6) / 1e6; }

/// Between neighbours along the normal: of a series as it was read, of one file if its frames have
/// places and lie evenly.
Json slice_spacing(const io::Volume& volume) {
  if (!volume.files.empty()) {
    return volume.slice_spacing > 0 ? Json(rounded(volume.slice_spacing)) : Json(nullptr);
  }
  const auto steps = io::frame_steps(volume.image);
  return steps && steps->even() ? Json(rounded(steps->usual)) : Json(nullptr);
}

/// Of one file; those of a series are problems of its volume.
void warn_of_uneven_steps(const io::Volume& volume, Json& warnings) {
  const auto steps = io::frame_steps(volume.image);
  if (!volume.files.empty() || !steps || steps->even()) return;
  warnings.push_back(
      fmt::format("The frames do not lie evenly: neighbours are {:.4g} to {:.4g} mm apart, usually "
                  "{:.4g} mm, so that there is no one slice spacing.",
                  steps->least, steps->most, steps->usual));
}

Json describe(const std::string& file, const io::Volume& volume) {
  const io::Image& image = volume.image;
  Json out;
  out["file"] = file;
  out["format"] = image.format;
  if (!image.transfer_syntax.empty()) {
    out["transfer_syntax"] = {{"uid", image.transfer_syntax},
                              {"name", io::transfer_syntax_name(image.transfer_syntax)}};
  }
  out["modality"] = image.modality;
  out["sop_class"] = image.sop_class;
  out["body_part"] = image.body_part;
  out["view"] = image.view;
  out["manufacturer"] = image.manufacturer;
  out["photometric"] = image.photometric;
  out["frames"] = image.pixels.frames;
  out["rows"] = image.pixels.rows;
  out["columns"] = image.pixels.columns;
  out["samples"] = image.pixels.samples;
  out["bits_stored"] = image.bits_stored;
  out["signed"] = image.is_signed;
  out["stored_type"] = io::numpy_name(image.pixels.type);
  if (!image.gray.empty()) out.update(describe_chain(image.gray[0]));
  out["grayscale_per_frame"] = image.gray.size() > 1;
  out["padding_range"] = nullptr;
  if (image.padding) {
    out["padding_range"] = {stored_value(image.padding->low), stored_value(image.padding->high)};
  }
  out["padding_per_frame"] = !image.frame_padding.empty();
  out["geometry"] = describe_geometry(image);
  out["pixel_spacing_mm"] = or_null(image.pixel_spacing);
  out["slice_spacing_mm"] = slice_spacing(volume);
  out["slice_thickness_mm"] = or_null(image.slice_thickness);
  return out;
}

void describe_values(const io::ModalityValues& values, Json& out) {
  out["minimum"] = values.minimum;
  out["maximum"] = values.maximum;
  out["mean"] = values.mean;
  out["padding_pixels"] = values.padding_count;
  out["nan_pixels"] = values.nan_count;
  out["modality_type"] = io::numpy_name(values.type);
}

void describe_identities(const std::string& file, Json& out) {
  const auto who = io::read_dicom_identities(file);
  out["identities"] = {{"patient_name", who.patient_name},
                       {"patient_id", who.patient_id},
                       {"birth_date", who.birth_date},
                       {"accession_number", who.accession_number},
                       {"study_uid", who.study_uid},
                       {"series_uid", who.series_uid},
                       {"sop_instance_uid", who.sop_instance_uid}};
}

void write_pixels(const std::string& path, const io::Image& image,
                  const io::ModalityValues& values) {
  std::vector<std::int64_t> shape{image.pixels.frames, image.pixels.rows, image.pixels.columns};
  if (image.pixels.samples == 3) shape.push_back(3);
  io::write_npy(path, io::numpy_name(values.type), shape, values.bytes);
}

/// As text that is valid UTF-8, whatever a file or its name holds.
std::string plain_text(const Json& value) {
  if (value.is_string()) return io::valid_utf8(value.get<std::string>());
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// One "key: value" line per entry; empty strings and nulls say "not in the file".
void print_text(const Json& report) {
  for (const auto& [key, value] : report.items()) {
    if (key == "warnings") continue;
    std::string text = plain_text(value);
    if (value.is_null() || text.empty()) text = "not in the file";
    fmt::print("{:<20} {}\n", key, text);
  }
  for (const auto& warning : report["warnings"]) {
    fmt::print("{:<20} {}\n", "warning", plain_text(warning));
  }
}

struct Options {
  Common common;
  std::string file, pixels;
  std::vector<std::string> allow;
  bool identities = false;
};

/// What is inspected, and what lies beside it and is left out.
struct Named {
  io::Input input;
  std::vector<std::string> warnings;
};

/// The image files of a folder.
std::vector<std::string> images_in(const std::string& folder, std::vector<std::string>& warnings) {
  const io::NamedFiles named = io::expand_inputs({folder}, std::cin);
  warnings = named.problems;
  std::vector<std::string> images;
  for (const std::string& file : named.files) {
    if (io::is_image_file(file)) {
      images.push_back(file);
    } else {
      warnings.push_back(fmt::format("{} is no image and was left out.", file));
    }
  }
  if (images.empty()) {
    throw Error(fmt::format("There is no image in {}. {}", folder, fmt::join(warnings, " ")));
  }
  return images;
}

/// A file, or a folder with the files of one series.
Named named_input(const std::string& name) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(name, ignored)) return {{name, {name}}, {}};
  Named named;
  const auto inputs = io::series_inputs(images_in(name, named.warnings));
  named.input = inputs[0];
  if (inputs.size() == 1) return named;
  throw Error(fmt::format("{} holds {} series or single files: give the folder of one series.",
                          name, inputs.size()));
}

int inspect(const Options& options) {
  options.common.apply();
  const auto [input, warnings] = named_input(options.file);
  const io::Volume volume = io::read_input(input, io::allow_irregular(options.allow));
  const io::Image& image = volume.image;
  const auto values = io::modality_values(image);
  auto report = describe(options.file, volume);
  describe_values(values, report);
  if (!volume.files.empty()) report["series"] = describe_volume(volume);
  if (options.identities && image.format == "DICOM") describe_identities(input.files[0], report);
  report["warnings"] = warnings;
  for (const auto& warning : image.warnings) report["warnings"].push_back(warning);
  for (const auto& problem : volume.problems) report["warnings"].push_back(problem);
  warn_of_uneven_steps(volume, report["warnings"]);
  if (!options.pixels.empty()) write_pixels(options.pixels, image, values);
  if (options.common.json) {
    fmt::print("{}\n", report.dump(2, ' ', false, Json::error_handler_t::replace));
  } else {
    print_text(report);
  }
  return kDone;
}

}  // namespace

void add_inspect(CLI::App& app, int& exit_status) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("inspect", "Show what the engine sees in one file or series");
  command
      ->add_option("FILE", options->file,
                   "DICOM, PNG, JPEG, TIFF, NIfTI or NPY; or the folder of one DICOM series")
      ->required();
  command->add_option("--pixels", options->pixels,
                      "Write modality values [frames, H, W(, 3)] to this .npy, before VOI and "
                      "MONOCHROME1 inversion");
  command
      ->add_option("--allow", options->allow,
                   "In a series: report instead of refuse missing, duplicates, uneven, tilt, mixed "
                   "(slices of unlike size, modality, orientation or frame of reference: the most "
                   "that agree are read)")
      ->delimiter(',');
  command->add_flag("--identities", options->identities,
                    "Also show patient identity and UIDs (left out otherwise)");
  options->common.add_to(*command);
  command->callback([options, &exit_status] { exit_status = inspect(*options); });
}

}  // namespace salus::tools
