// Our side of scripts/bench: one subcommand per benchmark. See worker.h for how it is spoken to.

#include <ATen/Parallel.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "tests/bench/benches.h"

int main(int argc, char** argv) {
  using salus::bench::Options;
  Options options;
  CLI::App app("Measures Salus for scripts/bench.", "salus_bench");
  app.require_subcommand(1);
  const auto add = [&](const char* name, void (*bench)(const Options&)) {
    auto* command = app.add_subcommand(name);
    command->add_option("--threads", options.threads);
    command->add_option("--device", options.device);
    command->add_option("--model", options.model);
    command->add_option("--dtype", options.dtype);
    command->add_option("--weights", options.weights);
    command->add_option("--batch", options.batch);
    command->add_option("--steps", options.steps);
    command->add_option("--rows", options.rows);
    command->add_option("--label", options.label);
    command->add_option("--bits", options.bits);
    command->add_option("FILE", options.files);
    command->callback([&options, bench] {
      at::set_num_threads(options.threads);
      bench(options);
    });
  };
  add("dicom", salus::bench::bench_dicom);
  add("preprocess", salus::bench::bench_preprocess);
  add("clahe", salus::bench::bench_clahe);
  add("vitals", salus::bench::bench_vitals);
  add("vitals-read", salus::bench::bench_vitals_read);
  add("similarity", salus::bench::bench_similarity);
  add("kmeans", salus::bench::bench_kmeans);
  add("train", salus::bench::bench_train);
  add("infer", salus::bench::bench_infer);
  add("gru_d", salus::bench::bench_gru_d);
  add("train-gru_d", salus::bench::bench_train_gru_d);
  add("recurrent", salus::bench::bench_recurrent);
  add("vitals-step", salus::bench::bench_vitals_step);
  add("limits", salus::bench::print_limits);
  add("pool", salus::bench::pool_folds);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
