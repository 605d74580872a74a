#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <string>

#include "engine/io/say.h"

namespace salus::tools {

/// Exit statuses, the same for every command.
enum Exit { kDone = 0, kFailed = 1, kWrongUse = 2, kSomeSkipped = 3 };

/// Makes what was printed to stdout reach it. \throws Error if it cannot be written: the results would
/// be lost. Ends the process as SIGPIPE does, quietly, if stdout's reader has gone (`| head`).
void flush_results();

/// Ends the process as SIGPIPE does if `error`, met when stdout was written, says that its reader has
/// gone.
void end_if_reader_left(int error);

/// Says on stderr that an input is left out, and why: a sentence that names it.
void print_skipped(const std::string& reason);

/// kDone if nothing was skipped; else says on stderr how much was, and is kSomeSkipped, or kFailed if
/// that were all `inputs`.
int status_of(std::size_t skipped, std::size_t inputs);

/// Options that every command takes.
struct Common {
  bool json = false;
  std::string device = "cpu";
  int threads = 0;  ///< 0 = as many as affinity and cgroup allow

  void add_to(CLI::App& app);
  /// Applies `threads` to LibTorch. \throws UsageError for a bad value.
  void apply() const;
};

/// Adds one subcommand; when it was chosen and has run, `exit_status` holds its status.
void add_train(CLI::App& app, int& exit_status);
void add_evaluate(CLI::App& app, int& exit_status);
void add_predict(CLI::App& app, int& exit_status);
void add_explain(CLI::App& app, int& exit_status);
void add_similar(CLI::App& app, int& exit_status);
void add_inspect(CLI::App& app, int& exit_status);
void add_models(CLI::App& app, int& exit_status);
void add_bench(CLI::App& app, int& exit_status);

}  // namespace salus::tools
