#include "engine/infer/bundle_toml.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/core/config.h"
#include "engine/data/source.h"
#include "engine/data/stay_transform.h"
#include "engine/infer/alarm_table.h"
#include "engine/io/error.h"

namespace salus::infer {
namespace {

using evaluate::Calibration;

/// Reads `task.labels` and the like; every error becomes one of the file, not of the command line.
Task read_task(const Config& table) {
  return {parse_task_kind(table.get_string("kind")), table.get_strings("labels")};
}

void read_image_input(const Config& table, ModelSpec& spec) {
  const auto shape = table.get_doubles("input");
  if (shape.size() != 3) {
    throw Error(fmt::format("{} must be [channels, height, width].", table.where("input")));
  }
  for (const double size : shape) {
    if (size >= 1 && size <= 65536 && size == std::floor(size)) continue;
    throw Error(fmt::format("{} must be whole numbers from 1 to 65536.", table.where("input")));
  }
  spec.channels = static_cast<std::int64_t>(shape[0]);
  spec.height = static_cast<std::int64_t>(shape[1]);
  spec.width = static_cast<std::int64_t>(shape[2]);
}

void read_vitals_input(const Config& table, ModelSpec& spec) {
  spec.variables = table.get_int("variables");
  spec.statics = table.get_int("statics", 0);
  spec.steps = table.get_int("steps");
  spec.per_step = table.get_bool("per_step", false);
  for (const Config& clock : table.tables("clock")) {
    spec.clocks.push_back({.column = clock.get_int("column"),
                           .scale = clock.get_double("scale"),
                           .offset = clock.get_double("offset")});
    if (spec.clocks.back().column < 0 || spec.clocks.back().column >= spec.statics) {
      throw Error(fmt::format("{} must be that of a static.", clock.where("column")));
    }
  }
}

ModelSpec read_model(const Config& table, Modality modality, std::int64_t outputs) {
  ModelSpec spec;
  spec.name = table.get_string("name");
  spec.modality = modality;
  modality == Modality::kVitals ? read_vitals_input(table, spec) : read_image_input(table, spec);
  spec.outputs = outputs;
  spec.options = table.table("options").get_numbers();
  for (const Config& member : table.tables("member")) {
    ModelSpec own;
    own.name = member.get_string("name");
    own.options = member.table("options").get_numbers();
    spec.members.push_back(own);
  }
  if (spec.members.empty() == (spec.name == kEnsemble)) {
    throw Error(
        fmt::format("{}: an ensemble, and nothing else, has members.", table.where("member")));
  }
  return spec;
}

int read_bits(const Config& table, const std::string& key) {
  const std::int64_t bits = table.get_int(key, 0);
  if (bits >= 0 && bits <= 64) return static_cast<int>(bits);
  throw Error(fmt::format("{} must lie in 0 to 64.", table.where(key)));
}

Acceptance read_acceptance(const Config& table) {
  Acceptance accepts;
  accepts.modalities = table.get_strings("modalities", std::vector<std::string>{});
  accepts.views = table.get_strings("views", std::vector<std::string>{});
  const std::string colour = table.get_choice("samples", {"any", "grey", "colour"}, "any");
  accepts.samples = colour == "grey" ? 1 : colour == "colour" ? 3 : 0;
  accepts.min_bits = read_bits(table, "min_bits");
  accepts.max_bits = read_bits(table, "max_bits");
  accepts.unit = table.get_string("unit", "");
  accepts.refuse = table.get_choice("on_mismatch", {"refuse", "flag"}, "refuse") == "refuse";
  return accepts;
}

Calibration read_calibration(const Config& table) {
  Calibration calibration;
  calibration.kind = evaluate::parse_calibration_kind(table.get_string("kind"));
  switch (calibration.kind) {
    case Calibration::Kind::kNone:
      break;
    case Calibration::Kind::kTemperature:
      calibration.temperature = table.get_double("temperature");
      break;
    case Calibration::Kind::kPlatt:
      calibration.slope = table.get_double("slope");
      calibration.intercept = table.get_double("intercept");
      break;
    case Calibration::Kind::kIsotonic:
      calibration.x = table.get_doubles("logits");
      calibration.y = table.get_doubles("probabilities");
      break;
  }
  return calibration;
}

void read_run(const Config& table, Bundle& bundle) {
  bundle.micro_batch = table.get_int("micro_batch");
  const std::vector<std::string> types{"float32", "bfloat16"};
  bundle.weights_dtype = table.get_choice("weights_dtype", types, "float32");
  bundle.compute_dtype = table.get_choice("compute_dtype", types, "float32");
}

void refuse_future(const Config& config, const std::string& origin) {
  const std::int64_t format = config.get_int("format");
  if (format >= 1 && format <= kBundleFormat) return;
  throw Error(
      fmt::format("{} is written in bundle format {}, and this program reads formats 1 to "
                  "{}. Use a newer Salus.",
                  origin, format, kBundleFormat));
}

Bundle read_bundle(const Config& config, const std::string& origin,
                   std::vector<FileChecksum>& files) {
  refuse_future(config, origin);
  Bundle bundle;
  bundle.name = config.get_string("name");
  bundle.task = read_task(config.table("task"));
  const Config transform = config.table("transform");
  bundle.model =
      read_model(config.table("model"), data::modality_of(transform), bundle.task.outputs());
  bundle.set_transform(data::resolved_transform(transform));
  bundle.accepts = read_acceptance(config.table("accepts"));
  for (const Config& table : config.tables("calibration")) {
    bundle.calibration.push_back(read_calibration(table));
  }
  for (const Config& table : config.tables("operating_point")) {
    bundle.operating_points.push_back(
        {table.get_string("name"), table.get_string("label"), table.get_double("threshold")});
  }
  if (bundle.model.modality == Modality::kVitals) {
    bundle.alarms = read_alarms(config.table("alarms"));
  }
  read_run(config.table("run"), bundle);
  for (const Config& table : config.tables("file")) {
    files.push_back({table.get_string("name"), table.get_string("sha256")});
  }
  config.reject_unknown();
  return bundle;
}

}  // namespace

Bundle parse_bundle_toml(const std::string& text, const std::string& origin,
                         std::vector<FileChecksum>& files) {
  try {
    Bundle bundle = read_bundle(Config::parse(text, origin), origin, files);
    check_consistent(bundle, origin);
    return bundle;
  } catch (const UsageError& error) {
    throw Error(error.what());  // the file is at fault, not the command line
  }
}

void Bundle::set_transform(std::string toml) {
  transform_toml = std::move(toml);
  scales.clear();
  if (data::modality_of(transform_table()) != Modality::kVitals) return;
  const data::StayTransform transform = stay_transform();
  if (transform.targets().next) scales = transform.value_scales();
}

Config Bundle::transform_table() const {
  const Config config = Config::parse(transform_toml, fmt::format("transform of {}", name));
  return config.has("transform") ? config.table("transform") : config;
}

data::Transform Bundle::transform() const { return data::Transform(transform_table()); }

data::StayTransform Bundle::stay_transform() const {
  return data::StayTransform(transform_table());
}

const OperatingPoint* Bundle::operating_point(const std::string& label) const {
  const auto point = std::find_if(operating_points.begin(), operating_points.end(),
                                  [&](const OperatingPoint& p) { return p.label == label; });
  return point == operating_points.end() ? nullptr : &*point;
}

}  // namespace salus::infer
