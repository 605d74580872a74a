#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/explain/heatmap.h"
#include "engine/explain/overlay.h"
#include "engine/infer/session.h"
#include "engine/io/error.h"
#include "engine/io/image.h"
#include "engine/io/npy.h"
#include "models/zoo.h"
#include "tools/command.h"
#include "tools/explain_stay.h"

namespace salus::tools {
namespace {

struct Options {
  Common common;
  std::string bundle, file, label, out, npy, method = "grad-cam";
  explain::Options how;
  std::string stay;
  double hour = -1;
  StayData stays;
};

/// The heatmap's values as NPY float32 [H, W].
void write_values(const std::string& path, const explain::Heatmap& heatmap) {
  const auto values = heatmap.values.contiguous();
  const auto* begin = values.const_data_ptr<float>();
  io::write_npy(path, "<f4", {values.size(0), values.size(1)},
                std::as_bytes(std::span(begin, values.numel())));
}

int explain_file(Options& options) {
  options.common.apply();
  options.how.method = explain::parse_method(options.method);
  Registry zoo;
  register_zoo(zoo);
  const auto session = infer::Session::load(options.bundle, zoo, options.common.device);
  if (session.bundle().model.modality == Modality::kVitals) {
    const std::string out = options.out.empty() ? "heatmap.svg" : options.out;
    if (!out.ends_with(".svg")) {
      throw UsageError(
          fmt::format("The heatmap of a stay is an SVG: name a file .svg, not {}.", out));
    }
    explain_stay(session,
                 {options.file, options.stay, options.label, out, options.hour, options.stays},
                 options.common.threads);
    return kDone;
  }
  if (options.out.empty()) options.out = "heatmap.png";
  const auto image = io::read_image(options.file);
  const auto heatmap = explain::explain(session, image, options.label, options.how);
  explain::write_overlay(options.out, session, image, heatmap);
  if (!options.npy.empty()) write_values(options.npy, heatmap);
  const auto scored = session.predict({image}, {options.file}).at(0);
  nlohmann::ordered_json out = {{"id", options.file},       {"label", heatmap.label},
                                {"method", heatmap.method}, {"frame", heatmap.frame},
                                {"logit", heatmap.logit},   {"largest", heatmap.largest},
                                {"overlay", options.out}};
  for (std::size_t i = 0; i < scored.probabilities.size(); ++i) {
    out["probabilities"][session.bundle().task.labels[i]] = scored.probabilities[i];
  }
  if (options.common.json) {
    fmt::print("{}\n", out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  } else {
    fmt::print("{}\n", options.out);
  }
  return kDone;
}

}  // namespace

void add_explain(CLI::App& app, int& exit_status) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("explain", "Show what a score rests on, as a heatmap");
  command->add_option("BUNDLE", options->bundle, "Folder of a trained model")->required();
  command->add_option("FILE", options->file, "Image to explain, or stays (see --stay)")->required();
  command
      ->add_option("--out", options->out,
                   "Heatmap: over the image as PNG (heatmap.png), of a stay as SVG (heatmap.svg)")
      ->type_name("FILE");
  command->add_option("--stay", options->stay, "Stays: id of the one to explain");
  command->add_option("--hour", options->hour,
                      "Stays with a score for every step: the hour to explain (default: the last)");
  options->stays.add_to(*command);
  command->add_option("--npy", options->npy, "Also write the heatmap's values [H, W] to this .npy");
  command->add_option("--label", options->label, "Label to explain (default: the first)");
  command->add_option("--method", options->method, "grad-cam or occlusion")
      ->check(CLI::IsMember({"grad-cam", "occlusion"}))
      ->capture_default_str();
  command->add_option("--frame", options->how.frame, "Frame (default: the one that is scored)");
  command->add_option("--window", options->how.window,
                      "Occlusion: side of the hidden square in input pixels");
  command->add_option("--stride", options->how.stride, "Occlusion: step between squares");
  options->common.add_to(*command);
  command->callback([options, &exit_status] { exit_status = explain_file(*options); });
}

}  // namespace salus::tools
