#include <torch/torch.h>

#include "engine/io/npy.h"
#include "engine/io/vitals.h"
#include "kernels/vitals_grid.h"
#include "tests/bench/benches.h"
#include "tests/bench/worker.h"

namespace salus::bench {
namespace {

at::Tensor load(const std::string& folder, const std::string& name, at::ScalarType type) {
  const io::NpyArray array = io::read_npy(folder + "/" + name + ".npy");
  return at::from_blob(const_cast<std::byte*>(array.bytes.data()), array.shape, type).clone();
}

}  // namespace

void bench_vitals(const Options& options) {
  const std::string folder = options.files.at(0);
  const at::Device device(options.device);
  const kernels::VitalsEvents events = {load(folder, "offsets", at::kLong).to(device),
                                        load(folder, "time", at::kFloat).to(device),
                                        load(folder, "variable", at::kShort).to(device),
                                        load(folder, "value", at::kFloat).to(device)};
  const at::Tensor statistics = load(folder, "statistics", at::kDouble);
  kernels::VitalsGridSpec spec;  // as in peers/vitals.py
  spec.variables.resize(static_cast<std::size_t>(statistics.size(1)));
  for (std::int64_t i = 0; i < statistics.size(1); ++i) {
    kernels::GridVariable& variable = spec.variables[static_cast<std::size_t>(i)];
    variable.mean = statistics[0][i].item<double>();
    variable.stddev = statistics[1][i].item<double>();
    variable.low = variable.mean - 6 * variable.stddev;
    variable.high = variable.mean + 6 * variable.stddev;
    variable.max_gap = 24;
  }
  const kernels::VitalsGridPlan plan(spec, device);
  kernels::VitalsGrid grid = plan(events);
  std::vector<double> check;
  for (const at::Tensor& part : {grid.values, grid.mask, grid.delta}) {
    check.push_back(part.to(at::kDouble).mean().item<double>());
  }
  serve({{"check", check}}, static_cast<double>(grid.length.numel()), [&] {
    plan.run(events, {}, grid);
    if (device.is_cuda()) torch::cuda::synchronize();
  });
}

void bench_vitals_read(const Options& options) {
  std::size_t events = 0;
  kernels::VitalsGrid grid;
  const auto work = [&] {
    io::VitalsOptions how;
    how.threads = options.threads;
    io::VitalsTable table = io::read_physionet2012(options.files, {}, how);
    events = table.time.size();
    const auto tensor = [](auto& values, at::ScalarType type) {
      return at::from_blob(values.data(), {static_cast<std::int64_t>(values.size())}, type);
    };
    kernels::VitalsGridSpec spec;
    spec.variables.resize(table.variables.size());
    grid = kernels::vitals_grid({tensor(table.offsets, at::kLong), tensor(table.time, at::kDouble),
                                 tensor(table.variable, at::kInt), tensor(table.value, at::kFloat)},
                                spec);
  };
  work();
  std::vector<double> check = {static_cast<double>(events) / 1e6};
  for (const at::Tensor& part : {grid.mask, grid.delta}) {
    check.push_back(part.to(at::kDouble).mean().item<double>());
  }
  serve({{"check", check}}, static_cast<double>(grid.length.numel()), work);
}

}  // namespace salus::bench
