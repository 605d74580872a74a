#include <fmt/format.h>

#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "engine/data/source.h"
#include "engine/infer/predict_cases.h"
#include "engine/infer/score_files.h"
#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/inputs.h"
#include "engine/io/npy.h"
#include "models/zoo.h"
#include "tools/command.h"
#include "tools/csv.h"
#include "tools/follow.h"
#include "tools/scores_json.h"
#include "tools/stay_data.h"

namespace salus::tools {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  Common common;
  std::string bundle, format = "jsonl", embeddings;
  std::vector<std::string> inputs, allow;
  bool force = false, series = false;
  StayData stays;
  FollowOptions follow;
};

void print_json(const Task& task, const infer::Prediction& prediction) {
  Json line;
  line["id"] = prediction.id;
  if (prediction.hour) line["hour"] = *prediction.hour;
  put_scores(task, prediction.probabilities, prediction.decisions, line);
  if (!prediction.frames.empty()) line["frames"] = prediction.frames;
  if (!prediction.files.empty()) line["files"] = prediction.files;
  if (!prediction.flags.empty()) line["flags"] = prediction.flags;
  if (!prediction.warnings.empty()) line["warnings"] = prediction.warnings;
  line["time_ms"] = std::round(prediction.milliseconds * 1000) / 1000;
  print_line(line);
}

bool has_frames(const infer::Bundle& bundle) { return bundle.model.modality == Modality::kImage; }

void print_csv_header(const infer::Bundle& bundle) {
  const Task& task = bundle.task;
  std::string line = bundle.model.per_step ? "id,hour" : "id";
  for (const auto& label : task.labels) line += "," + csv_cell(label);
  for (const auto& label : task.labels) line += "," + csv_cell("decision:" + label);
  fmt::print("{},time_ms\n",
             line + (has_frames(bundle) ? ",frames,files,flags,warnings" : ",flags"));
}

/// A list in one cell.
template <typename T>
std::string list_cell(const std::vector<T>& values) {
  return csv_cell(fmt::format("{}", fmt::join(values, " ")));
}

void print_csv(const infer::Bundle& bundle, const infer::Prediction& prediction) {
  std::string line = csv_cell(prediction.id);
  if (prediction.hour) line += fmt::format(",{}", *prediction.hour);
  for (double probability : prediction.probabilities) line += fmt::format(",{}", probability);
  for (int decision : prediction.decisions) {
    line += decision < 0 ? std::string(",") : fmt::format(",{}", decision);
  }
  if (has_frames(bundle)) {
    line += "," + list_cell(prediction.frames) + "," + list_cell(prediction.files);
  }
  line += "," + list_cell(prediction.flags);
  if (has_frames(bundle)) line += "," + list_cell(prediction.warnings);
  fmt::print("{},{:.3f}\n", line, prediction.milliseconds);
}

/// An id as one line: file names may hold line breaks.
std::string one_line(const std::string& id) {
  std::string line;
  for (const char c : id) {
    if (c == '\n' || c == '\r') {
      line += c == '\n' ? "\\n" : "\\r";
    } else {
      line += c;
    }
  }
  return line;
}

/// Collects embeddings and writes NAME.npy [N, E] with the ids beside it, one a line.
class EmbeddingWriter {
 public:
  /// \throws Error if they could not be written, before anything is scored.
  explicit EmbeddingWriter(std::string path) : path_(std::move(path)) {
    if (path_.empty()) return;
    io::require_writable(path_);
    io::require_writable(ids_path());
  }

  void add(const infer::Prediction& prediction) {
    if (path_.empty()) return;
    values_.insert(values_.end(), prediction.embedding.begin(), prediction.embedding.end());
    ids_ += one_line(prediction.id) + "\n";
    ++rows_;
  }

  void write() const {
    if (path_.empty() || rows_ == 0) return;
    const auto width = static_cast<std::int64_t>(values_.size()) / rows_;
    io::write_npy(path_, "<f4", {rows_, width}, std::as_bytes(std::span(values_)));
    io::write_text(ids_path(), ids_);
  }

 private:
  std::string ids_path() const { return path_ + ".ids.txt"; }

  std::string path_, ids_;
  std::vector<float> values_;
  std::int64_t rows_ = 0;
};

using Scored = std::function<void(const infer::Prediction&)>;

int predict_stays(const infer::Session& session, const Options& options, const Scored& scored) {
  std::size_t skipped = 0;
  const auto source = options.stays.open(session.bundle(), options.inputs, options.common.threads,
                                         [&](const std::string& reason) {
                                           print_skipped(reason);
                                           ++skipped;
                                         });
  std::vector<std::int64_t> all(source->cases().size());
  std::iota(all.begin(), all.end(), 0);
  infer::score_cases(session, *source->open(all), {!options.embeddings.empty(), false}, scored);
  return status_of(skipped, skipped + all.size());
}

int predict_images(const infer::Session& session, const Options& options, const Scored& scored) {
  const auto [files, problems] = io::expand_inputs(options.inputs, std::cin);
  if (files.empty() && !problems.empty()) {
    throw Error(fmt::format("{}", fmt::join(problems, "\n  ")));
  }
  for (const auto& problem : problems) print_skipped(problem);
  const auto inputs = options.series ? io::series_inputs(files) : io::file_inputs(files);
  infer::ScoreHandlers handlers;
  handlers.scored = scored;
  handlers.skipped = [](const std::string&, const std::string& reason) { print_skipped(reason); };
  const infer::ScoreOptions how{!options.embeddings.empty(), options.common.threads, options.force,
                                io::allow_irregular(options.allow)};
  const auto skipped = infer::score_files(session, inputs, how, handlers);
  return status_of(skipped + problems.size(), inputs.size() + problems.size());
}

int predict(const Options& options) {
  options.common.apply();
  Registry zoo;
  register_zoo(zoo);
  const auto session = infer::Session::load(options.bundle, zoo, options.common.device);
  const auto& task = session.bundle().task;
  if (options.follow.on) {
    if (options.inputs.size() != 1 || options.format != "jsonl" || !options.embeddings.empty()) {
      throw UsageError("--follow takes one input and writes risks as JSON Lines.");
    }
    return follow(session, options.follow, options.inputs[0], options.stays.statics);
  }
  const bool csv = options.format == "csv";
  EmbeddingWriter embeddings(options.embeddings);
  if (csv) print_csv_header(session.bundle());
  const auto scored = [&](const infer::Prediction& prediction) {
    csv ? print_csv(session.bundle(), prediction) : print_json(task, prediction);
    flush_results();
    embeddings.add(prediction);
  };
  const bool stays = session.bundle().model.modality == Modality::kVitals;
  const int status =
      stays ? predict_stays(session, options, scored) : predict_images(session, options, scored);
  embeddings.write();
  return status;
}

}  // namespace

void add_predict(CLI::App& app, int& exit_status) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("predict", "Score images or stays with a bundle");
  command->add_option("BUNDLE", options->bundle, "Folder of a trained model")->required();
  command
      ->add_option(
          "INPUT", options->inputs,
          "Images: files, folders, glob patterns; - reads such a list from standard input. "
          "Stays: folders and archives, or one table of events")
      ->required();
  command->add_option("--format", options->format, "jsonl or csv")
      ->check(CLI::IsMember({"jsonl", "csv"}))
      ->capture_default_str();
  command->add_option("--embeddings", options->embeddings,
                      "Write penultimate features [N, E] to this .npy, ids to OUT.ids.txt");
  command->add_flag(
      "--series", options->series,
      "Score each DICOM series, or the placed frames of an Enhanced file, as one volume; the "
      "bundle's transform says which slices");
  command
      ->add_option("--allow", options->allow,
                   "With --series: flag instead of refuse missing, duplicates, uneven, tilt, mixed "
                   "(slices of unlike size, modality, orientation or frame of reference: the most "
                   "that agree are scored)")
      ->delimiter(',');
  command->add_flag("--force", options->force,
                    "Score images that the bundle does not accept, and flag them");
  options->stays.add_to(*command);
  options->follow.add_to(*command);
  options->common.add_to(*command);
  command->callback([options, &exit_status] { exit_status = predict(*options); });
}

}  // namespace salus::tools
