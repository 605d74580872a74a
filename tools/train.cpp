#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/core/config.h"
#include "engine/io/error.h"
#include "engine/train/run.h"
#include "models/zoo.h"
#include "tools/command.h"

namespace salus::tools {
namespace {

struct Options {
  Common common;
  std::string config;
  std::vector<std::string> overrides;
  train::RunOptions run;
};

/// "train.epochs=3" -> override of the configuration.
void apply_override(const std::string& text, Config& config) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw UsageError(fmt::format("'{}' is not of the form key=value, as in train.epochs=3.", text));
  }
  config.override_with(text.substr(0, equals), text.substr(equals + 1));
}

void print_json(const train::RunResult& result) {
  const nlohmann::ordered_json out = {
      {"finished", result.finished},       {"bundle", result.bundle},
      {"best_epoch", result.best_epoch},   {"monitor", result.monitor},
      {"best_metric", result.best_metric}, {"weights_sha256", result.weights_hash}};
  fmt::print("{}\n", out.dump(2));
}

int train(Options& options) {
  options.common.apply();
  auto config = Config::parse_file(options.config);
  for (const auto& text : options.overrides) apply_override(text, config);
  Registry zoo;
  register_zoo(zoo);
  options.run.device = options.common.device;
  options.run.threads = options.common.threads;
  options.run.config_path = options.config;
  const auto result = train::train_run(config, zoo, options.run);
  if (options.common.json) {
    print_json(result);
  } else if (result.finished) {
    fmt::print("{}\n", result.bundle);
  }
  // As a shell reports a process that the signal ended: a scheduler then knows that it is not done.
  return result.finished ? kDone : 128 + result.signal;
}

}  // namespace

void add_train(CLI::App& app, int& exit_status) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("train",
                                     "Train a model; prints the path of the bundle. SIGTERM and "
                                     "SIGINT save a checkpoint and end the "
                                     "run with status 143 or 130; --resume goes on");
  command->add_option("CONFIG", options->config, "TOML file")->required();
  command->add_option("KEY=VALUE", options->overrides,
                      "Overrides of the configuration, as in train.epochs=3");
  command
      ->add_option("--out", options->run.out_dir,
                   "Folder for checkpoints, logs and the bundle (default: runs/ and the "
                   "configuration's name)")
      ->type_name("DIR");
  command->add_flag("--resume", options->run.resume,
                    "Go on from the last checkpoint in the output folder");
  command->add_flag("--fast-dev-run", options->run.fast_dev_run,
                    "One batch of training and validation, to see that everything works");
  options->common.add_to(*command);
  command->callback([options, &exit_status] { exit_status = train(*options); });
}

}  // namespace salus::tools
