#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/core/device.h"
#include "engine/io/error.h"
#include "engine/measure/networks.h"
#include "models/zoo.h"
#include "tools/bench.h"

namespace salus::tools {
namespace {

using Json = nlohmann::ordered_json;

Json milliseconds(const measure::Times& times) {
  return {{"p50", times.percentile(0.50) * 1e3},
          {"p95", times.percentile(0.95) * 1e3},
          {"p99", times.percentile(0.99) * 1e3},
          {"calls", times.seconds.size()}};
}

struct InferOptions {
  Common common;
  std::string bundle;
  double seconds = 3;
};

int bench_infer(const InferOptions& options) {
  options.common.apply();
  Registry zoo;
  register_zoo(zoo);
  const auto session = infer::Session::load(options.bundle, zoo, options.common.device);
  const auto device = open_device(options.common.device);
  const auto figures = measure::time_inference(session, device, options.seconds);
  const auto& bundle = session.bundle();
  if (options.common.json) {
    const Json out = {{"machine", Json::parse(measure::describe_machine(device))},
                      {"bundle", options.bundle},
                      {"model", bundle.model.name},
                      {"size", {bundle.model.channels, bundle.model.height, bundle.model.width}},
                      {"compute", bundle.compute_dtype},
                      {"micro_batch", figures.micro_batch},
                      {"latency_ms", milliseconds(figures.one)},
                      {"micro_batch_ms", milliseconds(figures.full)},
                      {"images_per_second", figures.images_per_second()}};
    fmt::print("{}\n", out.dump(2));
    return kDone;
  }
  fmt::print("{}, {} x {} x {}, {}, micro-batch {}\n", bundle.model.name, bundle.model.channels,
             bundle.model.height, bundle.model.width, bundle.compute_dtype, figures.micro_batch);
  fmt::print("one image    p50 {:.2f} ms, p95 {:.2f} ms, p99 {:.2f} ms ({} calls)\n",
             figures.one.percentile(0.5) * 1e3, figures.one.percentile(0.95) * 1e3,
             figures.one.percentile(0.99) * 1e3, figures.one.seconds.size());
  fmt::print("micro-batch  p50 {:.2f} ms: {:.1f} images/s\n", figures.full.median() * 1e3,
             figures.images_per_second());
  return kDone;
}

struct TrainOptions {
  Common common;
  measure::TrainProblem bench;
  std::int64_t size = 224;
};

int bench_train(TrainOptions& options) {
  options.common.apply();
  Registry zoo;
  register_zoo(zoo);
  auto& bench = options.bench;
  bench.model.height = bench.model.width = options.size;
  bench.device = options.common.device;
  const auto device = open_device(bench.device);
  const auto times = measure::time_training(zoo, bench);
  const double steps = 1 / times.median();
  const double images = steps * static_cast<double>(bench.batch);
  if (options.common.json) {
    const Json out = {{"machine", Json::parse(measure::describe_machine(device))},
                      {"model", bench.model.name},
                      {"size", {bench.model.channels, options.size, options.size}},
                      {"batch", bench.batch},
                      {"precision", bench.precision},
                      {"step_ms", milliseconds(times)},
                      {"steps_per_second", steps},
                      {"images_per_second", images}};
    fmt::print("{}\n", out.dump(2));
    return kDone;
  }
  fmt::print("{}, {} x {} x {}, batch {}, {}: {:.3g} steps/s, {:.1f} images/s (median of {})\n",
             bench.model.name, bench.model.channels, options.size, options.size, bench.batch,
             bench.precision, steps, images, times.seconds.size());
  return kDone;
}

}  // namespace

void add_bench_infer(CLI::App& bench, int& exit_status) {
  auto options = std::make_shared<InferOptions>();
  auto* command = bench.add_subcommand(
      "infer", "A bundle's network on made-up images: latency of one, images a second of many");
  command->add_option("BUNDLE", options->bundle, "Folder of the bundle")->required();
  command->add_option("--seconds", options->seconds, "How long to measure each")
      ->capture_default_str()
      ->check(CLI::Range(1e-4, 3600.0));
  options->common.add_to(*command);
  command->callback([options, &exit_status] { exit_status = bench_infer(*options); });
}

void add_bench_train(CLI::App& bench, int& exit_status) {
  auto options = std::make_shared<TrainOptions>();
  auto* command = bench.add_subcommand(
      "train", "Optimiser steps a second of an architecture on made-up images");
  command->add_option("MODEL", options->bench.model.name, "As `salus models` lists them")
      ->required();
  const auto count = [&](const char* name, std::int64_t& value, const char* help) {
    command->add_option(name, value, help)->capture_default_str()->check(CLI::Range(1, 1 << 20));
  };
  count("--size", options->size, "Height and width of the images");
  count("--channels", options->bench.model.channels, "Channels of the images");
  count("--batch", options->bench.batch, "Images of a step");
  count("--steps", options->bench.steps, "Steps to measure");
  command->add_option("--precision", options->bench.precision, "fp32, bf16 or fp16")
      ->capture_default_str();
  options->common.add_to(*command);
  command->callback([options, &exit_status] { exit_status = bench_train(*options); });
}

}  // namespace salus::tools
