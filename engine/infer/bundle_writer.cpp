#include <fmt/format.h>

#include <cmath>

#include "engine/core/config.h"
#include "engine/core/toml_text.h"
#include "engine/data/source.h"
#include "engine/infer/alarm_table.h"
#include "engine/infer/bundle_toml.h"

namespace salus::infer {
namespace {

using evaluate::Calibration;

/// The shortest decimal that reads back to the same double.
std::string number(double value) { return fmt::format("{}", value); }

std::string write_accepts(const Acceptance& accepts) {
  const char* samples = accepts.samples == 1 ? "grey" : accepts.samples == 3 ? "colour" : "any";
  return fmt::format(
      "\n# An image that differs is refused, or scored and flagged.\n[accepts]\n"
      "modalities = {}\nviews = {}\nsamples = \"{}\"\nmin_bits = {}\nmax_bits = {}\nunit = {}\n"
      "on_mismatch = \"{}\"\n",
      toml_list(accepts.modalities), toml_list(accepts.views), samples, accepts.min_bits,
      accepts.max_bits, toml_string(accepts.unit), accepts.refuse ? "refuse" : "flag");
}

std::string write_calibration(const Calibration& calibration) {
  std::string out = fmt::format("\n[[calibration]]\nkind = \"{}\"\n", to_string(calibration.kind));
  switch (calibration.kind) {
    case Calibration::Kind::kNone:
      break;
    case Calibration::Kind::kTemperature:
      out += fmt::format("temperature = {}\n", number(calibration.temperature));
      break;
    case Calibration::Kind::kPlatt:
      out += fmt::format("slope = {}\nintercept = {}\n", number(calibration.slope),
                         number(calibration.intercept));
      break;
    case Calibration::Kind::kIsotonic:
      out += fmt::format("logits = [{}]\nprobabilities = [{}]\n", fmt::join(calibration.x, ", "),
                         fmt::join(calibration.y, ", "));
      break;
  }
  return out;
}

std::string write_options(const std::string& table, const ModelSpec& model) {
  if (model.options.empty()) return "";
  std::string out = fmt::format("\n[{}.options]\n", table);
  for (const auto& [key, value] : model.options) {
    out += fmt::format("{} = {}\n", toml_string(key), number(value));
  }
  return out;
}

std::string write_model(const ModelSpec& model) {
  std::string out = fmt::format("\n[model]\nname = {}\n", toml_string(model.name));
  if (model.modality == Modality::kVitals) {
    out += fmt::format("variables = {}\nstatics = {}\nsteps = {}\nper_step = {}\n", model.variables,
                       model.statics, model.steps, model.per_step);
    for (const StaticClock& clock : model.clocks) {
      out += fmt::format(
          "\n[[model.clock]]  # a static that is a time; bins from its z-score\n"
          "column = {}\nscale = {}\noffset = {}\n",
          clock.column, number(clock.scale), number(clock.offset));
    }
  } else {
    out += fmt::format("input = [{}, {}, {}]  # channels, height, width\n", model.channels,
                       model.height, model.width);
  }
  out += write_options("model", model);
  for (const ModelSpec& member : model.members) {
    out += fmt::format("\n[[model.member]]\nname = {}\n", toml_string(member.name));
    out += write_options("model.member", member);
  }
  return out;
}

/// The keys of the transform with the defaults written out.
std::string write_transform(const Bundle& bundle) {
  const std::string resolved = data::resolved_transform(bundle.transform_table());
  return "\n" + Config::parse(resolved, "transform").to_toml("transform");
}

std::string write_run(const Bundle& bundle) {
  return fmt::format(
      "\n# Every forward pass has this many images (zeros where there are fewer), so that a score\n"
      "# does not depend on its neighbours.\n[run]\nmicro_batch = {}\nweights_dtype = {}\n"
      "compute_dtype = {}\n",
      bundle.micro_batch, toml_string(bundle.weights_dtype), toml_string(bundle.compute_dtype));
}

}  // namespace

std::string write_bundle_toml(const Bundle& bundle, const std::vector<FileChecksum>& files) {
  std::string out = fmt::format(
      "# A trained model of Salus. The files beside this one are named below with their SHA-256.\n"
      "format = {}\nname = {}\n\n[task]\nkind = \"{}\"\nlabels = {}\n",
      kBundleFormat, toml_string(bundle.name), to_string(bundle.task.kind),
      toml_list(bundle.task.labels));
  out += write_model(bundle.model) + write_transform(bundle) + write_accepts(bundle.accepts);
  for (const Calibration& calibration : bundle.calibration) out += write_calibration(calibration);
  for (const OperatingPoint& point : bundle.operating_points) {
    out += fmt::format("\n[[operating_point]]\nname = {}\nlabel = {}\nthreshold = {}\n",
                       toml_string(point.name), toml_string(point.label), number(point.threshold));
  }
  out += write_alarms(bundle.alarms) + write_run(bundle);
  for (const FileChecksum& file : files) {
    out += fmt::format("\n[[file]]\nname = {}\nsha256 = {}\n", toml_string(file.name),
                       toml_string(file.sha256));
  }
  return out;
}

}  // namespace salus::infer
