#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/core/device.h"
#include "engine/infer/model_predictor.h"
#include "engine/io/error.h"
#include "engine/measure/gpu_model.h"
#include "engine/measure/kernel_cases.h"
#include "engine/measure/times.h"
#include "tools/bench.h"

namespace salus::tools {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  Common common;
  std::vector<std::string> names;
  bool model = false;
  double seconds = 0.5;
};

/// Families whose name contains one of the names; all if there are none.
std::vector<measure::KernelFamily> chosen_families(const std::vector<std::string>& names) {
  std::vector<measure::KernelFamily> chosen;
  std::string known;
  for (const auto& family : measure::kernel_families()) {
    known += (known.empty() ? "" : ", ") + family.name;
    bool wanted = names.empty();
    for (const auto& name : names) wanted |= family.name.find(name) != std::string::npos;
    if (wanted) chosen.push_back(family);
  }
  if (chosen.empty()) {
    throw UsageError(fmt::format("no kernel is called {}; there are {}.", names[0], known));
  }
  return chosen;
}

Json cost_json(const kernels::KernelCost& cost) {
  return {{"bytes_read", cost.bytes_read},
          {"bytes_written", cost.bytes_written},
          {"bytes_uploaded", cost.bytes_uploaded},
          {"operations", cost.operations},
          {"launches", cost.launches},
          {"tensor_operations", cost.tensor_operations}};
}

Json model_rows(const std::vector<measure::KernelFamily>& families) {
  auto rows = Json::array();
  for (const auto& family : families) {
    for (const auto& one : family.cases()) {
      Json row = {{"kernel", family.name}, {"problem", one.problem}};
      row.update(cost_json(one.cost));
      for (const auto& gpu : measure::gpu_models()) {
        const auto bound = measure::bound_of(one.cost, gpu);
        row["bounds"][gpu.name] = {{"microseconds", bound.seconds * 1e6}, {"limit", bound.limit}};
      }
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

Json gpu_table() {
  Json table;
  for (const auto& gpu : measure::gpu_models()) {
    table[gpu.name] = {{"memory_bytes_per_second", gpu.memory},
                       {"operations_per_second", gpu.operations},
                       {"tensor_operations_per_second", gpu.tensor_operations},
                       {"pcie_bytes_per_second", gpu.pcie},
                       {"launch_seconds", gpu.launch},
                       {"source", gpu.source}};
  }
  return table;
}

void print_model(const Json& rows) {
  fmt::print("{:<17} {:<48} {:>8} {:>8}", "kernel", "problem", "MB", "Mop");
  for (const auto& gpu : measure::gpu_models()) fmt::print(" {:>18}", gpu.name);
  fmt::print("\n");
  for (const auto& row : rows) {
    fmt::print("{:<17} {:<48} {:>8.3g} {:>8.3g}", row["kernel"].get<std::string>(),
               row["problem"].get<std::string>(),
               (row["bytes_read"].get<double>() + row["bytes_written"].get<double>()) / 1e6,
               (row["operations"].get<double>() + row["tensor_operations"].get<double>()) / 1e6);
    for (const auto& bound : row["bounds"]) {
      fmt::print(" {:>8.2f} us {:<6}", bound["microseconds"].get<double>(),
                 bound["limit"].get<std::string>());
    }
    fmt::print("\n");
  }
  for (const auto& gpu : measure::gpu_models()) {
    fmt::print(
        "{}: {:.2f} TB/s, {:.4g} and {:.4g} (bfloat16, tensor cores) Top/s, PCIe {:.0f} GB/s, "
        "{:.1f} us a launch; {}\n",
        gpu.name, gpu.memory / 1e12, gpu.operations / 1e12, gpu.tensor_operations / 1e12,
        gpu.pcie / 1e9, gpu.launch * 1e6, gpu.source);
  }
}

/// What cases are measured on.
struct Machine {
  at::Device device = at::kCPU;
  double bandwidth = 0;                    ///< bytes a second that the memory gives
  const measure::GpuModel* gpu = nullptr;  ///< if it is one that we have a data sheet of
};

/// The row of one measured case.
Json measured_row(const std::string& kernel, const measure::KernelCase& one, const Machine& machine,
                  double seconds) {
  const auto times = measure::time_calls(one.prepare(machine.device), machine.device, seconds);
  const double median = times.median();
  Json row = {{"kernel", kernel},
              {"problem", one.problem},
              {"microseconds", median * 1e6},
              {"microseconds_p05", times.percentile(0.05) * 1e6},
              {"microseconds_p95", times.percentile(0.95) * 1e6},
              {"calls", times.seconds.size()},
              {"bytes", one.cost.bytes()},
              {"operations", one.cost.operations + one.cost.tensor_operations},
              {"bytes_per_second", one.cost.bytes() / median},
              {"fraction_of_bandwidth", one.cost.bytes() / median / machine.bandwidth}};
  if (machine.gpu != nullptr) {
    const auto bound = measure::bound_of(one.cost, *machine.gpu);
    row["bound"] = {{"microseconds", bound.seconds * 1e6},
                    {"limit", bound.limit},
                    {"fraction", bound.seconds / median}};
  }
  return row;
}

void print_measured_head() {
  fmt::print("{:<17} {:<48} {:>11} {:>9} {:>8} {:>8}\n", "kernel", "problem", "us", "MB", "GB/s",
             "of limit");
}

void print_measured(const Json& row) {
  fmt::print("{:<17} {:<48} {:>11.1f} {:>9.3g} {:>8.2f} {:>7.0f}%",
             row["kernel"].get<std::string>(), row["problem"].get<std::string>(),
             row["microseconds"].get<double>(), row["bytes"].get<double>() / 1e6,
             row["bytes_per_second"].get<double>() / 1e9,
             row["fraction_of_bandwidth"].get<double>() * 100);
  if (row.contains("bound")) {
    const auto& bound = row["bound"];
    fmt::print("   bound {:.2f} us ({}): {:.0f}% of it", bound["microseconds"].get<double>(),
               bound["limit"].get<std::string>(), bound["fraction"].get<double>() * 100);
  }
  fmt::print("\n");
}

int bench_model(const Options& options) {
  const Json rows = model_rows(chosen_families(options.names));
  if (options.common.json) {
    fmt::print("{}\n", Json{{"gpus", gpu_table()}, {"kernels", rows}}.dump(2));
  } else {
    print_model(rows);
  }
  return kDone;
}

int bench_kernels(const Options& options) {
  const auto families = chosen_families(options.names);
  if (options.model) return bench_model(options);
  options.common.apply();
  const auto device = open_device(options.common.device);
  auto about = Json::parse(measure::describe_machine(device));
  Machine machine{device};
  machine.bandwidth =
      device.is_cuda() ? measure::copy_bandwidth(device) : measure::read_bandwidth(1L << 28);
  machine.gpu = measure::find_gpu_model(about.value("gpu", ""));
  about["memory_bytes_per_second"] = machine.bandwidth;
  auto rows = Json::array();
  if (!options.common.json) print_measured_head();
  for (const auto& family : families) {
    for (const auto& one : family.cases()) {
      rows.push_back(measured_row(family.name, one, machine, options.seconds));
      if (!options.common.json) print_measured(rows.back());
    }
  }
  if (options.common.json) {
    fmt::print("{}\n", Json{{"machine", about}, {"kernels", rows}}.dump(2));
  } else {
    fmt::print("memory {:.1f} GB/s; {}\n", machine.bandwidth / 1e9, about.dump());
  }
  return kDone;
}

}  // namespace

void add_bench_kernels(CLI::App& bench, int& exit_status) {
  auto options = std::make_shared<Options>();
  auto* command = bench.add_subcommand(
      "kernels", "Our kernels: time, bytes moved, fraction of the memory's measured bandwidth");
  command->add_option("NAME", options->names, "Only kernels whose name contains this");
  command->add_flag(
      "--model", options->model,
      "Measure nothing: what bounds each kernel on an A100, H100, H200 and B200, and at "
      "how many microseconds");
  command->add_option("--seconds", options->seconds, "How long to measure each case")
      ->capture_default_str()
      ->check(CLI::Range(1e-4, 3600.0));
  options->common.add_to(*command);
  command->callback([options, &exit_status] { exit_status = bench_kernels(*options); });
}

}  // namespace salus::tools
