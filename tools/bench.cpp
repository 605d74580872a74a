#include "tools/bench.h"

namespace salus::tools {

void add_bench(CLI::App& app, int& exit_status) {
  auto* command = app.add_subcommand("bench", "Measure this machine: kernels, infer, train");
  command->require_subcommand(1);
  add_bench_kernels(*command, exit_status);
  add_bench_infer(*command, exit_status);
  add_bench_train(*command, exit_status);
}

}  // namespace salus::tools
