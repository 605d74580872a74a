#include "tools/command.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "engine/core/memory.h"
#include "engine/io/error.h"
#include "engine/io/files.h"

namespace salus::tools {

void Common::add_to(CLI::App& app) {
  app.add_flag("--json", json, "Print results as JSON");
  app.add_option("--device", device, "Where to compute: cpu, cuda or cuda:N")
      ->capture_default_str();
  app.add_option("--threads", threads, "Threads to use (default: all that this process may use)");
}

void Common::apply() const {
  if (threads < 0) throw UsageError("--threads must be at least 1.");
  if (device == "cpu") keep_memory();
  at::set_num_threads(threads > 0 ? threads : io::available_threads());
}

}  // namespace salus::tools
