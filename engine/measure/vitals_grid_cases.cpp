#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include "engine/measure/kernel_cases.h"
#include "kernels/vitals_grid.h"
#include "kernels/vitals_grid_cost.h"

namespace salus::measure {
namespace {

/// Stays of `events` rows each, in order of time over `hours`, variables in turn.
kernels::VitalsEvents made_up_events(std::int64_t stays, std::int64_t events, std::int64_t hours,
                                     std::int64_t variables, const at::Device& device) {
  const auto row = at::arange(stays * events, at::kLong);
  kernels::VitalsEvents made;
  made.offsets = (at::arange(stays + 1, at::kLong) * events).to(device);
  const double each = static_cast<double>(hours) / static_cast<double>(events);
  made.time = (row.remainder(events).to(at::kDouble) * each).to(at::kFloat).to(device);
  made.variable = (row * 7).remainder(variables).to(at::kShort).to(device);
  made.value = (row.to(at::kDouble) * 0.37).sin().to(at::kFloat).to(device);
  return made;
}

KernelCase grid_case(const std::string& problem, std::int64_t stays, std::int64_t events,
                     std::int64_t steps, std::int64_t variables, at::ScalarType dtype) {
  kernels::GridBatch batch;
  batch.stays = stays;
  batch.events = stays * events;
  batch.variables = static_cast<std::int32_t>(variables);
  batch.steps = static_cast<std::int32_t>(steps);
  KernelCase made{problem, {}, {}};
  made.cost = kernels::vitals_grid_cost(batch, static_cast<int>(at::elementSize(dtype)));
  made.prepare = [=](const at::Device& device) -> std::function<void()> {
    kernels::VitalsGridSpec spec;
    spec.variables.resize(static_cast<std::size_t>(variables));
    spec.steps = steps;
    spec.dtype = dtype;
    const kernels::VitalsGridPlan plan(spec, device);
    return [plan, grid = plan.empty(stays),
            input = made_up_events(stays, events, steps, variables, device)] {
      plan.run(input, {}, grid);
    };
  };
  return made;
}

}  // namespace

std::vector<KernelCase> vitals_grid_cases() {
  return {grid_case("4000 stays x 400 events -> 48 x 37 float32", 4000, 400, 48, 37, at::kFloat),
          grid_case("128 stays x 400 events -> 48 x 37 bfloat16", 128, 400, 48, 37, at::kBFloat16)};
}

}  // namespace salus::measure
