#include "engine/train/run.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/torch.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "engine/core/memory.h"
#include "engine/infer/bundle_toml.h"
#include "engine/infer/weights.h"
#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/say.h"
#include "engine/train/environment.h"
#include "engine/train/fit_estimator.h"
#include "engine/train/held_out.h"
#include "engine/train/members.h"
#include "engine/train/model_card.h"
#include "engine/train/out_of_fold.h"
#include "engine/train/parts.h"
#include "engine/train/precision.h"
#include "engine/train/publish.h"
#include "engine/train/state.h"
#include "engine/train/trainer.h"
#include "engine/train/validation.h"

namespace salus::train {
namespace fs = std::filesystem;
namespace {

using Say = std::function<void(const std::string&)>;

/// What the configuration says, read before anything is done.
struct Plan {
  Task task;
  ModelSpec sizes;  ///< of the input, which the data know, and of the output
  std::vector<MemberPlan> members;
  PublishConfig publish;
};

/// A path in the file is relative to the file's folder, one from the command line to the working
/// directory. Made absolute, so that the saved configuration means the same from anywhere.
void resolve_path(Config& config, const std::string& key, const std::string& fallback,
                  const fs::path& folder) {
  const fs::path path = config.has(key) ? config.get_string(key) : fallback;
  if (path.empty()) return;
  const bool by_hand = config.where(key).starts_with("command line");
  const auto whole = fs::absolute(by_hand ? path : folder / path).lexically_normal();
  config.override_with(key, nlohmann::json(whole.string()).dump());  // JSON's quoting is TOML's
}

Task read_task(const Config& table) {
  Task task;
  task.kind = parse_task_kind(table.get_string("kind"));
  task.labels = table.get_strings("labels");
  if (task.labels.empty() || (task.kind == TaskKind::kBinary && task.labels.size() != 1)) {
    throw UsageError(fmt::format(
        "{} must name {}.", table.where("labels"),
        task.kind == TaskKind::kBinary ? "the positive finding, and only it" : "at least one"));
  }
  return task;
}

Plan read_plan(Config& config, const RunOptions& options) {
  Plan plan;
  plan.task = read_task(config.table("task"));
  plan.sizes.outputs = plan.task.outputs();
  plan.members = read_members(config, plan.task, options.device);
  const auto stem = fs::path(options.config_path).stem().string();
  plan.publish = read_publish_config(config, plan.task, stem.empty() ? "model" : stem);
  return plan;
}

/// Augmentation works on normalised images, so it must know mean and standard deviation.
void fit_augmentation(Plan& plan, const Config& config, const Config& transform) {
  for (MemberPlan& member : plan.members) {
    if (!member.train.augments) continue;
    if (plan.sizes.modality != Modality::kImage) {
      throw UsageError(fmt::format("{} is for images, and the data are {}.",
                                   config.where("augment"), to_string(plan.sizes.modality)));
    }
    const data::Transform image(transform);
    member.train.channel_mean = image.spec().mean;
    member.train.channel_stddev = image.spec().stddev;
  }
}

/// The first line in which two texts differ, for a message.
std::string first_difference(const std::string& old_text, const std::string& new_text) {
  std::istringstream a(old_text), b(new_text);
  for (std::string line_a, line_b;;) {
    const bool more_a = static_cast<bool>(std::getline(a, line_a));
    const bool more_b = static_cast<bool>(std::getline(b, line_b));
    if (!more_a && !more_b) return "";
    if (!more_a) line_a.clear();
    if (!more_b) line_b.clear();
    if (line_a != line_b) return fmt::format("it was \"{}\" and is \"{}\"", line_a, line_b);
  }
}

/// The part of a configuration that training depends on: what is only for the bundle may change
/// before a run goes on.
std::string trained_by(const std::string& config_toml) {
  std::istringstream lines(config_toml);
  std::string kept;
  bool keep = true;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('[')) {
      const std::string table = line.substr(1, line.find_first_of(".]") - 1);
      keep = table != "bundle" && table != "card" && table != "evaluate" && table != "accept";
    }
    if (keep) kept += line + "\n";
  }
  return kept;
}

bool was_dev_run(const std::string& out_dir) {
  const auto path = out_dir + "/environment.json";
  if (!fs::exists(path)) return false;
  const auto json = nlohmann::json::parse(io::read_text(path), nullptr, false);
  return json.is_object() && json.value("fast_dev_run", false);
}

/// What a run writes into its folder, where other files may lie too.
bool is_of_run(const std::string& name) {
  static const std::set<std::string> kNames = {"config.toml", "environment.json", "log.csv",
                                               "log.jsonl",   "checkpoints",      "members",
                                               "bundle",      "predictions.csv"};
  return kNames.contains(name) || name.starts_with("events.out.tfevents.");
}

/// Whether a run got so far that something would be lost if another took its place.
bool holds_work(const std::string& out_dir) {
  const auto left = [&](const char* name) { return fs::exists(out_dir + "/" + name); };
  return left("bundle") || left("checkpoints") || left("members");
}

/// Makes the folder, or checks that what lies there is the run to go on with. A rehearsal
/// (fast_dev_run), and a run that ended before its first checkpoint, make room for another.
void open_folder(const std::string& out_dir, const std::string& config_toml,
                 const RunOptions& options) {
  const auto saved = out_dir + "/config.toml";
  if (fs::exists(saved) && (was_dev_run(out_dir) || !holds_work(out_dir))) {
    std::vector<fs::path> old;
    for (const auto& entry : fs::directory_iterator(out_dir)) {
      if (is_of_run(entry.path().filename().string())) old.push_back(entry.path());
    }
    for (const fs::path& path : old) fs::remove_all(path);
  }
  if (!fs::exists(saved)) {
    std::error_code problem;
    fs::create_directories(out_dir, problem);
    if (problem) {
      throw Error(fmt::format("Cannot make the folder {}: {}.", out_dir, problem.message()));
    }
    return;
  }
  if (!options.resume) {
    throw UsageError(fmt::format(
        "{} already holds a run: go on with --resume, or choose another folder with --out.",
        out_dir));
  }
  const auto difference =
      first_difference(trained_by(io::read_text(saved)), trained_by(config_toml));
  if (!difference.empty()) {
    throw UsageError(fmt::format("The run in {} cannot go on with another configuration: {}.",
                                 out_dir, difference));
  }
}

/// With the same seed, the same weights before the first step.
std::shared_ptr<Model> make_model(const Plan& plan, const MemberPlan& member,
                                  const Registry& registry, const Say& say) {
  torch::manual_seed(member.train.seed);
  auto model = registry.make(sized_like(plan.sizes, member.model));
  if (!member.train.init_weights.empty()) {
    const infer::LoadOptions adapt{infer::FirstLayer::kSum, /*new_head=*/true};
    say(fmt::format("Initial weights from {}.", member.train.init_weights));
    for (const auto& note : infer::load_weights(*model, member.train.init_weights, adapt)) {
      say(note);
    }
  }
  return model;
}

FitResult fit_model(const std::shared_ptr<Model>& model, const Task& task,
                    const TrainConfig& config, const TrainerOptions& options, const Subset& train,
                    const Subset& valid) {
  if (auto* estimator = dynamic_cast<Estimator*>(model.get())) {
    return fit_estimator(*estimator, *model, task, config, options, train, valid);
  }
  return Trainer(model, task, config, options).fit(train, valid);
}

/// Trains the networks one after the other, each of several in a folder of its own. Ends early when
/// one was stopped; the last result then is not finished.
std::vector<FitResult> fit_members(const Plan& plan, const Parts& parts, const Registry& registry,
                                   const RunOptions& options, const std::string& out_dir,
                                   const Say& say) {
  std::vector<FitResult> fits;
  for (std::size_t m = 0; m < plan.members.size(); ++m) {
    const MemberPlan& member = plan.members[m];
    std::string folder = out_dir;
    if (plan.members.size() > 1) {
      folder += fmt::format("/members/{}", m);
      fs::create_directories(folder);
      say(fmt::format("Member {} of {}: {}, seed {}.", m + 1, plan.members.size(),
                      member.model.name, member.train.seed));
    }
    fits.push_back(
        fit_model(make_model(plan, member, registry, say), plan.task, member.train,
                  {folder, options.device, options.resume, options.fast_dev_run, options.stop, say},
                  training_cases(parts, m), validation_cases(parts, m)));
    if (!fits.back().finished) break;
  }
  return fits;
}

/// The bundle and what is said of it, from the best weights.
std::string publish(const Plan& plan, const Parts& parts, const std::vector<FitResult>& fits,
                    const Registry& registry, const RunOptions& options, const std::string& out_dir,
                    const Say& say) {
  infer::Bundle bundle;
  bundle.task = plan.task;
  bundle.model = sized_like(plan.sizes, plan.members[0].model);
  bundle.set_transform(parts.source->transform_toml());
  bundle.accepts = plan.publish.accepts;
  bundle.weights = weights_of(fits);
  bundle.micro_batch = plan.publish.micro_batch;
  if (fits.size() > 1) {
    make_ensemble(bundle, plan.members, fits, registry, parts, options.device, options.threads,
                  say);
  }
  const auto completed =
      complete_bundle(bundle, plan.publish, registry, parts, options.device, options.threads, say);
  bundle.model_card =
      model_card(bundle, plan.publish, parts, training_section(bundle, plan.members, fits),
                 completed.evaluation);
  const auto path = out_dir + "/bundle";
  infer::save_bundle(bundle, path);
  if (parts.test && parts.fold >= 0) {
    const infer::Session session(bundle, registry, options.device);
    write_fold_predictions(out_dir + "/predictions.csv", parts.fold,
                           infer::predict_cases(session, *parts.test, options.threads));
  }
  return path;
}

/// What would be refused when the bundle is written, or at the first epoch, before hours are spent.
void refuse_early(const Plan& plan, const Parts& parts, const Registry& registry,
                  const std::string& origin) {
  for (const MemberPlan& member : plan.members) {
    require_metric(plan.task, member.train.monitor);
    registry.make(sized_like(plan.sizes, member.model));
    if (!member.train.init_weights.empty() && !fs::exists(member.train.init_weights)) {
      throw Error(
          fmt::format("[train] init_weights: {} does not exist.", member.train.init_weights));
    }
  }
  infer::Bundle draft;
  draft.task = plan.task;
  draft.model = sized_like(plan.sizes, plan.members[0].model);
  draft.set_transform(parts.source->transform_toml());
  draft.alarms = plan.publish.alarms;
  draft.micro_batch = plan.publish.micro_batch;
  draft.weights_dtype = plan.publish.weights_dtype;
  draft.compute_dtype = plan.publish.compute_dtype;
  try {
    infer::check_consistent(draft, origin);
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
}

/// Of the cases that the bundle will be judged by, before hours are spent.
void refuse_unscored(const Plan& plan, const Parts& parts, int threads) {
  const auto look = [&](const data::Dataset& part) {
    infer::refuse_unaccepted(plan.publish.accepts, part, threads);
  };
  for (const auto& turn : parts.turns) look(*turn.held_out);
  if (parts.turns.empty()) look(parts.valid ? *parts.valid : *parts.train);
  if (parts.test && parts.fold >= 0) look(*parts.test);
}

}  // namespace

RunResult train_run(Config& config, const Registry& registry, const RunOptions& options) {
  const Say say = options.say ? options.say : io::say_on_stderr;
  if (options.resume && options.fast_dev_run) {
    throw UsageError("--fast-dev-run begins anew: leave out --resume.");
  }
  if (open_device(options.device).is_cpu()) keep_memory();
  if (options.threads > 0) at::set_num_threads(options.threads);
  const fs::path folder = fs::path(options.config_path).parent_path();
  resolve_path(config, "data.root", ".", folder);
  resolve_path(config, "train.init_weights", "", folder);
  if (config.is_string("transform.variables")) {
    resolve_path(config, "transform.variables", "", folder);
  }
  Plan plan = read_plan(config, options);
  const Config data = config.table("data");
  const Config transform = config.table("transform");
  auto source = data::open_source(data, transform, plan.task, options.threads);
  if (const auto remarks = source->remarks(); !remarks.empty()) say(remarks);
  auto parts = read_parts(std::move(source), data);
  parts.source->describe(plan.sizes);
  require_turns(parts, plan.members.size());
  fit_augmentation(plan, config, transform);
  data.has("cache");  // read by cache_parts(), after unknown keys are looked for
  config.reject_unknown();

  RunResult result;
  result.monitor = plan.members[0].train.monitor;
  const auto stem = fs::path(options.config_path).stem().string();
  result.out_dir =
      options.out_dir.empty() ? "runs/" + (stem.empty() ? "model" : stem) : options.out_dir;
  const auto config_toml = config.to_toml();
  refuse_early(plan, parts, registry, options.config_path);
  refuse_unlabelled(parts, data, plan.task);
  refuse_missing(parts);
  open_folder(result.out_dir, config_toml, options);
  refuse_unscored(plan, parts, options.threads);
  cache_parts(parts, data, say);
  for (const auto& warning : duplicate_warnings(parts)) say(warning);
  io::write_text(result.out_dir + "/config.toml", config_toml);
  io::write_text(result.out_dir + "/environment.json",
                 describe_environment(options.config_path, options.device, data_hash(parts),
                                      options.fast_dev_run));

  const auto fits = fit_members(plan, parts, registry, options, result.out_dir, say);
  result.finished = fits.back().finished;
  result.signal = fits.back().signal;
  result.best_epoch = fits[0].best_epoch;
  result.best_metric = fits[0].best_metric;
  result.weights_hash = weights_hash(weights_of(fits));
  if (!result.finished) return result;
  result.bundle = publish(plan, parts, fits, registry, options, result.out_dir, say);
  return result;
}

}  // namespace salus::train
