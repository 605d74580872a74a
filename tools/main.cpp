#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <system_error>
#include <vector>

#include "engine/core/config.h"
#include "engine/io/error.h"
#include "tools/command.h"

namespace {

/// The next file that is opened takes the number of a standard stream that is closed, and what is
/// said would be written into it.
void fill_closed_streams() {
  for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // For reading: results that nobody gets are still an error.
    if (::fcntl(number, F_GETFD) < 0) ::open("/dev/null", O_RDONLY);
  }
}

void print_error(const std::exception& error) {
  salus::io::say_on_stderr(std::string("error: ") + error.what());
}

/// fmt and the streams say no more than that some file cannot be written.
void print_system_error(const std::system_error& error) {
  if (std::ferror(stdout) == 0) return print_error(error);
  salus::tools::end_if_reader_left(error.code().value());
  salus::io::say_on_stderr(
      "error: Cannot write the results to standard output: " + error.code().message() + ".");
}

/// CLI11 would only say that a command is needed.
void refuse_unknown_command(const CLI::App& app, const std::string& name) {
  std::vector<std::string> known;
  for (const CLI::App* command : app.get_subcommands({})) known.push_back(command->get_name());
  if (name.starts_with('-') || std::find(known.begin(), known.end(), name) != known.end()) return;
  const std::string near = salus::nearest(name, known);
  throw salus::UsageError(
      fmt::format("There is no command '{}'; {}", name,
                  near.empty() ? "see 'salus --help'." : fmt::format("did you mean '{}'?", near)));
}

int run(CLI::App& app, int argc, char** argv, const int& exit_status) {
  try {
    if (argc > 1) refuse_unknown_command(app, argv[1]);
    app.parse(argc, argv);
    salus::tools::flush_results();
    return exit_status;
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    app.exit(error);
    return salus::tools::kWrongUse;
  } catch (const salus::UsageError& error) {
    print_error(error);
    return salus::tools::kWrongUse;
  } catch (const std::system_error& error) {
    print_system_error(error);
    return salus::tools::kFailed;
  } catch (const std::exception& error) {
    print_error(error);
    return salus::tools::kFailed;
  }
}

}  // namespace

int main(int argc, char** argv) {
  fill_closed_streams();
  std::signal(SIGPIPE, SIG_IGN);  // a reader of stderr that goes away ends nothing
  CLI::App app("Trains, evaluates and serves deep-learning models for medicine.", "salus");
  app.set_version_flag("--version", "salus " SALUS_VERSION);
  app.require_subcommand(1);
  app.failure_message([](const CLI::App* which, const CLI::Error& error) {
    return fmt::format("error: {}\nSee '{} --help'.\n", error.what(), which->get_name());
  });
  int exit_status = salus::tools::kDone;
  salus::tools::add_train(app, exit_status);
  salus::tools::add_evaluate(app, exit_status);
  salus::tools::add_predict(app, exit_status);
  salus::tools::add_explain(app, exit_status);
  salus::tools::add_similar(app, exit_status);
  salus::tools::add_inspect(app, exit_status);
  salus::tools::add_models(app, exit_status);
  salus::tools::add_bench(app, exit_status);
  return run(app, argc, argv, exit_status);
}
