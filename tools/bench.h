#pragma once

#include "tools/command.h"

namespace salus::tools {

/// The subcommands of `salus bench`.
void add_bench_kernels(CLI::App& bench, int& exit_status);
void add_bench_infer(CLI::App& bench, int& exit_status);
void add_bench_train(CLI::App& bench, int& exit_status);

}  // namespace salus::tools
