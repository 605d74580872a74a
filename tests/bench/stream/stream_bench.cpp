// Stays scored row by row: 37 variables, 64 units, 48 hourly bins, as a model of PhysioNet 2012. One
// core; each row is a measurement of one variable, eight of them a bin.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <torch/torch.h>

#include "engine/infer/session.h"
#include "engine/infer/weights.h"
#include "engine/stream/stream_pool.h"
#include "engine/stream/vitals_stream.h"
#include "models/zoo.h"

namespace salus::stream {
namespace {

constexpr std::int64_t kVariables = 37, kSteps = 48, kRowsOfABin = 8;

std::string transform() {
  std::string text = fmt::format("modality = \"vitals\"\nsteps = {}\n[variables]\n", kSteps);
  std::string zeros = "0", ones = "1";
  for (std::int64_t v = 0; v < kVariables; ++v) {
    text += fmt::format("[[variables.variable]]\nname = \"v{}\"\naggregate = \"mean\"\n", v);
    if (v > 0) zeros += ", 0", ones += ", 1";
  }
  return text + fmt::format("[statistics]\nmean = [{}]\nstddev = [{}]\n", zeros, ones);
}

std::shared_ptr<const StreamModel> model_of(const std::string& name) {
  Registry zoo;
  register_zoo(zoo);
  infer::Bundle bundle;
  bundle.name = name;
  bundle.task = {TaskKind::kBinary, {"death"}};
  bundle.model.name = name;
  bundle.model.modality = Modality::kVitals;
  bundle.model.variables = kVariables;
  bundle.model.steps = kSteps;
  bundle.model.options = {{"hidden", 64}};
  bundle.transform_toml = transform();
  bundle.weights = infer::state_dict(*zoo.make(bundle.model));
  return std::make_shared<StreamModel>(infer::Session(bundle, zoo, "cpu"));
}

std::vector<std::string> names() {
  std::vector<std::string> out;
  for (std::int64_t v = 0; v < kVariables; ++v) out.push_back(fmt::format("v{}", v));
  return out;
}

/// Row i of a stay.
StreamEvent row(const std::vector<std::string>& names, std::int64_t i) {
  const double hours = static_cast<double>(i) / kRowsOfABin;
  return {hours, names[static_cast<std::size_t>(i * 7 % kVariables)], static_cast<float>(i % 5)};
}

void push(benchmark::State& state, const std::string& model) {
  at::set_num_threads(1);
  const auto known = names();
  const auto shared = model_of(model);
  VitalsStream stream(shared);
  const auto blank = stream.save();
  std::int64_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(stream.push(row(known, i)).probabilities[0]);
    if (++i < kSteps * kRowsOfABin) continue;
    state.PauseTiming();
    stream.restore(blank);
    i = 0;
    state.ResumeTiming();
  }
}

/// Each iteration brings one row of each of so many stays.
void pool_push(benchmark::State& state, const std::string& model) {
  at::set_num_threads(1);
  const auto known = names();
  const std::int64_t stays = state.range(0);
  std::vector<std::string> ids;
  for (std::int64_t i = 0; i < stays; ++i) ids.push_back(fmt::format("stay-{}", i));
  StreamPool pool(model_of(model), {.capacity = stays});
  std::int64_t i = 0;
  double sum = 0;
  std::vector<PoolEvent> events(ids.size());
  for (auto _ : state) {
    for (std::size_t n = 0; n < ids.size(); ++n) events[n] = {ids[n], row(known, i)};
    pool.push(events, 0, [&](std::string_view, const Risk& risk) { sum += risk.probabilities[0]; });
    if (++i < kSteps * kRowsOfABin) continue;
    state.PauseTiming();
    for (const auto& id : ids) pool.discharge(id);
    i = 0;
    state.ResumeTiming();
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations() * stays);
  state.counters["bytes_per_stay"] = static_cast<double>(pool.bytes_per_stay());
}

#define SALUS_STREAM(model)                                                       \
  BENCHMARK_CAPTURE(push, model, #model)->Repetitions(7)->ReportAggregatesOnly(); \
  BENCHMARK_CAPTURE(pool_push, model, #model)->Arg(10000)->Unit(benchmark::kMillisecond)

SALUS_STREAM(gru);
SALUS_STREAM(lstm);
SALUS_STREAM(gru_d);

}  // namespace
}  // namespace salus::stream

BENCHMARK_MAIN();
