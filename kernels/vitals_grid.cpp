#include "kernels/vitals_grid.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "kernels/dispatch.h"
#include "kernels/vitals_grid_math.h"

namespace salus::kernels {
namespace {

const CudaLauncher<VitalsGridLaunch> vitals_grid_cuda{"vitals_grid"};

constexpr std::int32_t kForEver = 1 << 30;  // bins; a grid has no more

void check_variable(const GridVariable& variable, std::size_t number) {
  const auto finite = [&](const char* name, double value) {
    TORCH_CHECK(std::isfinite(static_cast<float>(value)), "vitals_grid: the ", name,
                " of variable ", number, " is ", value, ", which is not a finite float32.");
  };
  finite("mean", variable.mean);
  finite("stddev", variable.stddev);
  TORCH_CHECK(static_cast<float>(variable.stddev) > 0 &&
                  std::isfinite(static_cast<float>(1 / variable.stddev)),
              "vitals_grid: the stddev of variable ", number, " must be above 0, not ",
              variable.stddev, ".");
  TORCH_CHECK(variable.low <= variable.high, "vitals_grid: the plausible range of variable ",
              number, " is [", variable.low, ", ", variable.high, "], which is empty.");
  TORCH_CHECK(variable.max_gap >= 0, "vitals_grid: the max_gap of variable ", number,
              " must be 0 hours or more, not ", variable.max_gap, ".");
  TORCH_CHECK(variable.fill != GridFill::kZero || variable.transform != GridTransform::kLog,
              "vitals_grid: variable ", number,
              " is to be filled with 0, which has no logarithm; fill with the mean or use log1p.");
}

void check_spec(const VitalsGridSpec& spec) {
  constexpr std::size_t kMostVariables = 1 << 15;
  TORCH_CHECK(!spec.variables.empty() && spec.variables.size() <= kMostVariables,
              "vitals_grid: ", spec.variables.size(), " variables; 1 to ", kMostVariables,
              " are possible.");
  TORCH_CHECK(spec.steps >= 1 && spec.steps <= kForEver, "vitals_grid: steps must be 1 to ",
              kForEver, ", not ", spec.steps, ".");
  const double seconds = std::round(spec.step * 3600);
  TORCH_CHECK(seconds >= 1, "vitals_grid: step must be at least one second (1/3600), not ",
              spec.step, " hours.");
  TORCH_CHECK(seconds * static_cast<double>(spec.steps) <= 3600.0 * kMostGridHours,
              "vitals_grid: ", spec.steps, " steps of ", spec.step, " hours are more than ",
              kMostGridHours, " hours.");
  TORCH_CHECK(spec.dtype == at::kFloat || spec.dtype == at::kHalf || spec.dtype == at::kBFloat16,
              "vitals_grid: values can be float32, float16 or bfloat16, not ", spec.dtype, ".");
  for (std::size_t i = 0; i < spec.variables.size(); ++i) check_variable(spec.variables[i], i);
}

GridColumn column_of(const GridVariable& variable, std::int32_t step_seconds) {
  GridColumn column;
  double low = variable.low;
  if (variable.transform == GridTransform::kLog) {
    low = std::max(low, double{std::numeric_limits<float>::min()});
  } else if (variable.transform == GridTransform::kLog1p) {
    low = std::max(low, 0.0);
  }
  // Comparing with the largest finite number leaves infinities out of an unbounded range.
  constexpr double kMost = std::numeric_limits<float>::max();
  column.low = static_cast<float>(std::max(low, -kMost));
  column.high = static_cast<float>(std::min(variable.high, kMost));
  column.mean = static_cast<float>(variable.mean);
  column.inverse_stddev = static_cast<float>(1 / variable.stddev);
  column.aggregate = variable.aggregate;
  column.transform = variable.transform;
  if (variable.fill == GridFill::kNaN) column.fill = std::numeric_limits<float>::quiet_NaN();
  if (variable.fill == GridFill::kZero) column.fill = (0 - column.mean) * column.inverse_stddev;
  const double bins = std::floor(std::round(variable.max_gap * 3600) / step_seconds);
  column.max_gap = static_cast<std::int32_t>(std::min(bins, double{kForEver}));
  return column;
}

void check_vector(const char* name, const at::Tensor& tensor, const at::Device& device,
                  std::initializer_list<at::ScalarType> types) {
  TORCH_CHECK(tensor.defined() && tensor.dim() == 1 && tensor.is_contiguous(),
              "vitals_grid: ", name, " must be a contiguous tensor of one dimension.");
  TORCH_CHECK(std::find(types.begin(), types.end(), tensor.scalar_type()) != types.end(),
              "vitals_grid: ", name, " cannot be ", tensor.scalar_type(), ".");
  TORCH_CHECK(tensor.device() == device, "vitals_grid: ", name, " is on ", tensor.device(),
              ", but the plan on ", device, ".");
}

void check_events(const VitalsEvents& events, const at::Tensor& length, const at::Device& device) {
  check_vector("offsets", events.offsets, device, {at::kLong});
  check_vector("time", events.time, device, {at::kFloat, at::kDouble});
  check_vector("variable", events.variable, device, {at::kShort, at::kInt});
  check_vector("value", events.value, device, {at::kFloat});
  TORCH_CHECK(events.offsets.numel() >= 1, "vitals_grid: offsets must have N + 1 elements, not 0.");
  TORCH_CHECK(events.offsets.numel() <= std::numeric_limits<std::int32_t>::max(),
              "vitals_grid: there can be no more than 2^31 - 2 stays.");
  TORCH_CHECK(
      events.variable.numel() == events.time.numel() && events.value.numel() == events.time.numel(),
      "vitals_grid: ", events.time.numel(), " times, ", events.variable.numel(), " variables and ",
      events.value.numel(), " values; there must be as many of each.");
  if (!length.defined()) return;
  check_vector("length", length, device, {at::kLong});
  TORCH_CHECK(length.numel() == events.offsets.numel() - 1, "vitals_grid: ", length.numel(),
              " lengths for ", events.offsets.numel() - 1, " stays.");
}

void check_offsets(const at::Tensor& offsets, std::int64_t events) {
  const auto* at = offsets.const_data_ptr<std::int64_t>();
  const std::int64_t n = offsets.numel();
  TORCH_CHECK(at[0] >= 0 && at[n - 1] <= events, "vitals_grid: offsets go from ", at[0], " to ",
              at[n - 1], ", but there are ", events, " events.");
  const auto* descent = std::adjacent_find(at, at + n, std::greater<>());
  TORCH_CHECK(descent == at + n, "vitals_grid: offsets descend after stay ", descent - at, ".");
}

}  // namespace

std::vector<GridColumn> grid_columns(const std::vector<GridVariable>& variables,
                                     std::int32_t step_seconds) {
  std::vector<GridColumn> columns;
  for (const GridVariable& variable : variables) {
    columns.push_back(column_of(variable, step_seconds));
  }
  return columns;
}

VitalsGridPlan::VitalsGridPlan(VitalsGridSpec spec, at::Device device)
    : spec_(std::move(spec)), device_(device) {
  check_spec(spec_);
  TORCH_CHECK(device.is_cpu() || device.is_cuda(),
              "vitals_grid: events must be on the CPU or a CUDA device, not on ", device, ".");
  step_seconds_ = static_cast<std::int32_t>(std::llround(spec_.step * 3600));
  std::vector<GridColumn> columns = grid_columns(spec_.variables, step_seconds_);
  const auto bytes = static_cast<std::int64_t>(columns.size() * sizeof(GridColumn));
  const at::Tensor host = at::from_blob(columns.data(), {bytes}, at::kByte);
  table_ = device.is_cpu() ? host.clone() : host.to(device);
  device_ = table_.device();  // "cuda" becomes the card that it stands for
}

std::int64_t VitalsGridPlan::bin(double hours) const {
  TORCH_CHECK(hours == hours, "vitals_grid: a time that is not a number has no bin.");
  return bin_of(std::bit_cast<std::int64_t>(hours), step_seconds_);
}

VitalsGrid VitalsGridPlan::empty(std::int64_t stays) const {
  const auto on = at::TensorOptions(device_);
  const auto variables = static_cast<std::int64_t>(spec_.variables.size());
  const std::array<std::int64_t, 3> shape = {stays, spec_.steps, variables};
  VitalsGrid grid;
  grid.values = at::empty(shape, on.dtype(spec_.dtype));
  grid.mask = at::empty(shape, on.dtype(at::kFloat));
  grid.delta = at::empty(shape, on.dtype(at::kFloat));
  grid.length = at::empty({stays}, on.dtype(at::kLong));
  grid.counts = at::empty({stays, variables, kGridCounts}, on.dtype(at::kInt));
  return grid;
}

void VitalsGridPlan::check_grid(const VitalsGrid& grid, std::int64_t stays) const {
  const auto variables = static_cast<std::int64_t>(spec_.variables.size());
  const auto check = [&](const char* name, const at::Tensor& tensor, at::ScalarType type,
                         at::IntArrayRef shape) {
    TORCH_CHECK(tensor.defined() && tensor.sizes() == shape && tensor.scalar_type() == type &&
                    tensor.device() == device_ && tensor.is_contiguous(),
                "vitals_grid: the result's ", name, " must be contiguous ", type, " ", shape,
                " on ", device_, ".");
  };
  check("values", grid.values, spec_.dtype, {stays, spec_.steps, variables});
  check("mask", grid.mask, at::kFloat, {stays, spec_.steps, variables});
  check("delta", grid.delta, at::kFloat, {stays, spec_.steps, variables});
  check("length", grid.length, at::kLong, {stays});
  check("counts", grid.counts, at::kInt, {stays, variables, kGridCounts});
}

void VitalsGridPlan::run(const VitalsEvents& events, const at::Tensor& length,
                         const VitalsGrid& grid) const {
  check_events(events, length, device_);
  if (device_.is_cpu()) check_offsets(events.offsets, events.time.numel());
  GridBatch batch;
  batch.stays = events.offsets.numel() - 1;
  batch.events = events.time.numel();
  batch.variables = static_cast<std::int32_t>(spec_.variables.size());
  batch.steps = static_cast<std::int32_t>(spec_.steps);
  batch.step_seconds = step_seconds_;
  batch.step_hours = static_cast<float>(step_seconds_ / 3600.0);
  batch.wide_time = events.time.scalar_type() == at::kDouble;
  batch.wide_variable = events.variable.scalar_type() == at::kInt;
  check_grid(grid, batch.stays);
  if (batch.stays == 0) return;
  GridArrays arrays;
  arrays.offsets = events.offsets.const_data_ptr<std::int64_t>();
  arrays.time = events.time.const_data_ptr();
  arrays.variable = events.variable.const_data_ptr();
  arrays.value = events.value.const_data_ptr<float>();
  if (length.defined()) arrays.given_length = length.const_data_ptr<std::int64_t>();
  arrays.columns = static_cast<const GridColumn*>(table_.const_data_ptr());
  arrays.values = grid.values.mutable_data_ptr();
  arrays.mask = grid.mask.mutable_data_ptr<float>();
  arrays.delta = grid.delta.mutable_data_ptr<float>();
  arrays.length = grid.length.mutable_data_ptr<std::int64_t>();
  arrays.counts = grid.counts.mutable_data_ptr<std::int32_t>();
  const int scalar = static_cast<int>(spec_.dtype);
  if (device_.is_cuda()) {
    vitals_grid_cuda(device_.index(), scalar, batch, arrays);
  } else {
    vitals_grid_cpu(scalar, batch, arrays);
  }
}

VitalsGrid VitalsGridPlan::operator()(const VitalsEvents& events, const at::Tensor& length) const {
  TORCH_CHECK(events.offsets.defined() && events.offsets.numel() >= 1,
              "vitals_grid: offsets must have N + 1 elements.");
  VitalsGrid grid = empty(events.offsets.numel() - 1);
  run(events, length, grid);
  return grid;
}

VitalsGrid vitals_grid(const VitalsEvents& events, const VitalsGridSpec& spec,
                       const at::Tensor& length) {
  TORCH_CHECK(events.offsets.defined(), "vitals_grid: offsets must have N + 1 elements.");
  return VitalsGridPlan(spec, events.offsets.device())(events, length);
}

}  // namespace salus::kernels
