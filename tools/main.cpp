#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include "engine/io/error.h"
#include "tools/command.h"

namespace {

void print_error(const std::exception& error) { fmt::print(stderr, "error: {}\n", error.what()); }

int run(CLI::App& app, int argc, char** argv, const int& exit_status) {
  try {
    app.parse(argc, argv);
    return exit_status;
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    app.exit(error);
    return salus::tools::kWrongUse;
  } catch (const salus::UsageError& error) {
    print_error(error);
    return salus::tools::kWrongUse;
  } catch (const std::exception& error) {
    print_error(error);
    return salus::tools::kFailed;
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_DFL);  // `salus predict ... | head` ends quietly
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
