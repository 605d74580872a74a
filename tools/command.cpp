#include "tools/command.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <system_error>

#include "engine/core/memory.h"
#include "engine/io/error.h"
#include "engine/io/files.h"

namespace salus::tools {

void flush_results() {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return;
  end_if_reader_left(errno);
  const auto reason = std::error_code(errno == 0 ? EIO : errno, std::generic_category()).message();
  throw Error(fmt::format("Cannot write the results to standard output: {}.", reason));
}

void end_if_reader_left(int error) {
  if (error != EPIPE) return;
  std::signal(SIGPIPE, SIG_DFL);  // ignored until here, for the sake of stderr
  std::raise(SIGPIPE);
}

void print_skipped(const std::string& reason) { io::say_on_stderr("skipped: " + reason); }

int status_of(std::size_t skipped, std::size_t inputs) {
  if (skipped == 0) return kDone;
  io::say_on_stderr(fmt::format("{} of {} inputs were skipped.", skipped, inputs));
  return skipped == inputs ? kFailed : kSomeSkipped;
}

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
