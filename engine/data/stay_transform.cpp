#include "engine/data/stay_transform.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <filesystem>
#include <limits>

#include "engine/data/duration.h"
#include "engine/data/record_windows.h"
#include "engine/io/error.h"
#include "kernels/vitals_grid_math.h"

namespace salus::data {
namespace {

/// Stays gridded at once to learn statistics: a few MB at a time.
constexpr std::int64_t kFitStays = 256;

VariableTable read_variables(const Config& table, const std::string& folder) {
  if (!table.is_string("variables")) return VariableTable(table.table("variables"));
  const auto path = std::filesystem::path(folder) / table.get_string("variables");
  return VariableTable::parse_file(path.string());
}

/// What is done with unknown variables if the table does not say it.
std::string unknown_of(const std::string& source) { return source == "wfdb" ? "refuse" : "drop"; }

/// Mean and standard deviation, one value at a time (Welford).
struct Moments {
  double count = 0, mean = 0, squares = 0;

  void add(double value) {
    ++count;
    const double before = value - mean;
    mean += before / count;
    squares += before * (value - mean);
  }
  double stddev() const {
    const double deviation = count > 1 ? std::sqrt(squares / (count - 1)) : 0;
    return deviation > 0 ? deviation : 1;
  }
};

void add_observed(const kernels::VitalsGrid& grid, std::vector<Moments>& moments) {
  const float* value = grid.values.const_data_ptr<float>();
  const float* mask = grid.mask.const_data_ptr<float>();
  const std::int64_t cells = grid.values.numel();
  const auto variables = static_cast<std::int64_t>(moments.size());
  for (std::int64_t i = 0; i < cells; ++i) {
    if (mask[i] != 0) moments[i % variables].add(value[i]);
  }
}

template <typename T>
std::string list(const std::vector<T>& values) {
  return fmt::format("[{}]", fmt::join(values, ", "));
}

}  // namespace

double seconds_of(double hours) { return std::round(hours * 3600); }

double last_hour(const io::VitalsTable& table, std::int64_t stay) {
  const auto last = [stay](const std::vector<std::int64_t>& offsets,
                           const std::vector<double>& times) {
    const bool none = offsets.size() < 2 || offsets[stay] == offsets[stay + 1];
    return none ? -std::numeric_limits<double>::infinity() : times[offsets[stay + 1] - 1];
  };
  return std::max(last(table.offsets, table.time), last(table.step_offsets, table.step_time));
}

StayTransform::StayTransform(const Config& table, const std::string& folder)
    : variables_(read_variables(table, folder)) {
  table.get_choice("modality", {"vitals"}, "vitals");
  source_ = table.get_choice("source", {"physionet2012", "physionet2019", "long", "wfdb"}, "long");
  refuses_unknown_ =
      table.get_choice("unknown", {"drop", "refuse"}, unknown_of(source_)) == "refuse";
  read_step(table);
  steps_ = table.get_int("steps", 48);
  if (steps_ < 1 || steps_ > 65536) {
    throw UsageError(fmt::format("{} must lie in 1 to 65536.", table.where("steps")));
  }
  if (table.has("windows")) windows_ = read_windows(table.table("windows"));
  if (windows_ && source_ != "wfdb") {
    throw UsageError(
        fmt::format("{} are cut of WFDB records only: source = \"wfdb\".", table.where("windows")));
  }
  if (table.has("rows")) row_rules_ = read_row_rules(table.table("rows"));
  if (table.has("targets")) targets_ = read_targets(table.table("targets"));
  if (table.has("statistics")) read_statistics(table.table("statistics"));
}

void StayTransform::read_step(const Config& table) {
  // Ticks of the grid's clock in a step that is not whole seconds.
  constexpr double kTicks = 1024;
  step_ = read_hours(table, "step", 1);
  const double seconds = step_ * 3600;
  if (!(seconds >= 1e-6) || seconds > 3600.0 * static_cast<double>(kernels::kMostGridHours)) {
    throw UsageError(fmt::format("{} must be at least one microsecond, and at most {} hours.",
                                 table.where("step"), kernels::kMostGridHours));
  }
  if (seconds >= 1) {
    step_ = std::round(seconds) / 3600;
  } else {
    clock_rate_ = kTicks / seconds;
  }
}

void StayTransform::read_statistics(const Config& table) {
  mean_ = table.get_doubles("mean");
  stddev_ = table.get_doubles("stddev");
  static_mean_ = table.get_doubles("static_mean", {});
  static_stddev_ = table.get_doubles("static_stddev", {});
  for (const double flag : table.get_doubles("static_flags", {})) {
    flags_.push_back(static_cast<std::int64_t>(flag));
  }
  const auto columns = variables_.static_columns().size();
  const bool fits = mean_.size() == variables_.variables().size() &&
                    stddev_.size() == mean_.size() && static_mean_.size() == columns &&
                    static_stddev_.size() == columns;
  const bool flags_fit = std::all_of(flags_.begin(), flags_.end(), [&](std::int64_t flag) {
    return flag >= 0 && flag < static_cast<std::int64_t>(columns);
  });
  const auto above_zero = [](double value) { return value > 0 && std::isfinite(value); };
  if (!fits || !flags_fit || !std::all_of(stddev_.begin(), stddev_.end(), above_zero) ||
      !std::all_of(static_stddev_.begin(), static_stddev_.end(), above_zero)) {
    throw UsageError(fmt::format(
        "{}: there must be a mean and a standard deviation above 0 for each of the {} variables "
        "and {} static columns.",
        table.where("mean"), variables_.variables().size(), columns));
  }
  make_plan();
}

void StayTransform::make_plan() {
  kernels::VitalsGridSpec spec;
  spec.step = step_ * clock_rate_;
  spec.steps = steps_;
  for (std::size_t i = 0; i < variables_.variables().size(); ++i) {
    spec.variables.push_back(variables_.variables()[i].grid);
    spec.variables.back().max_gap *= clock_rate_;
    spec.variables.back().mean = mean_[i];
    spec.variables.back().stddev = stddev_[i];
  }
  plan_ = std::make_shared<kernels::VitalsGridPlan>(std::move(spec), at::kCPU);
}

/// The events of some stays of a table, as vitals_grid takes them.
kernels::VitalsEvents StayTransform::events(const io::VitalsTable& table,
                                            const std::vector<std::int64_t>& stays) const {
  std::int64_t events = 0;
  for (const auto stay : stays) events += table.offsets[stay + 1] - table.offsets[stay];
  kernels::VitalsEvents out;
  out.offsets = at::empty({static_cast<std::int64_t>(stays.size()) + 1}, at::kLong);
  out.time = at::empty({events}, at::kDouble);
  out.variable = at::empty({events}, at::kInt);
  out.value = at::empty({events}, at::kFloat);
  auto* offset = out.offsets.mutable_data_ptr<std::int64_t>();
  auto* time = out.time.mutable_data_ptr<double>();
  auto* variable = out.variable.mutable_data_ptr<std::int32_t>();
  auto* value = out.value.mutable_data_ptr<float>();
  offset[0] = 0;
  for (std::size_t i = 0; i < stays.size(); ++i) {
    const auto begin = table.offsets[stays[i]], count = table.offsets[stays[i] + 1] - begin;
    const auto to = offset[i];
    std::transform(table.time.data() + begin, table.time.data() + begin + count, time + to,
                   [this](double hours) { return hours * clock_rate_; });
    std::copy_n(table.variable.data() + begin, count, variable + to);
    std::copy_n(table.value.data() + begin, count, value + to);
    offset[i + 1] = to + count;
  }
  return out;
}

void StayTransform::fit(const io::VitalsTable& table, const std::vector<std::int64_t>& train) {
  const auto variables = variables_.variables().size();
  const auto columns = variables_.static_columns().size();
  mean_.assign(variables, 0);
  stddev_.assign(variables, 1);
  make_plan();
  std::vector<Moments> moments(variables), of_statics(columns);
  for (std::size_t begin = 0; begin < train.size(); begin += kFitStays) {
    const auto end = std::min(train.size(), begin + kFitStays);
    add_observed((*plan_)(events(table, {train.begin() + begin, train.begin() + end})), moments);
  }
  std::vector<bool> may_be_missing(columns, false);
  for (const auto stay : train) {
    for (std::size_t c = 0; c < columns; ++c) {
      const float value = table.statics[stay * columns + c];
      std::isnan(value) ? void(may_be_missing[c] = true) : of_statics[c].add(value);
    }
  }
  static_mean_.clear(), static_stddev_.clear(), flags_.clear();
  for (std::size_t i = 0; i < variables; ++i) {
    mean_[i] = moments[i].mean;
    stddev_[i] = moments[i].stddev();
  }
  for (std::size_t c = 0; c < columns; ++c) {
    static_mean_.push_back(of_statics[c].mean);
    static_stddev_.push_back(of_statics[c].stddev());
    if (may_be_missing[c]) flags_.push_back(static_cast<std::int64_t>(c));
  }
  make_plan();
}

std::int64_t StayTransform::static_width() const {
  return static_cast<std::int64_t>(static_mean_.size() + flags_.size());
}

std::vector<StaticClock> StayTransform::clocks() const {
  std::vector<StaticClock> clocks;
  std::size_t column = 0;
  for (const Static& fixed : variables_.statics()) {
    if (fixed.clock) {
      clocks.push_back({.column = static_cast<std::int64_t>(column),
                        .scale = static_stddev_.at(column) / step_,
                        .offset = static_mean_.at(column) / step_});
    }
    column += std::max<std::size_t>(fixed.categories.size(), 1);
  }
  return clocks;
}

const kernels::VitalsGridPlan& StayTransform::plan() const {
  if (plan_) return *plan_;
  throw Error(
      "The means and standard deviations of the variables are not known: [transform] has "
      "no statistics.");
}

std::int64_t StayTransform::bin(double hours) const {
  return kernels::bin_of(std::bit_cast<std::int64_t>(hours * clock_rate_),
                         static_cast<std::int32_t>(std::lround(step_ * clock_rate_ * 3600)));
}

std::vector<ValueScale> StayTransform::value_scales() const {
  std::vector<ValueScale> scales;
  if (!targets_.next) return scales;
  for (const auto number : variables_.numbers(targets_.next->variables)) {
    const auto& variable = grid().variables[static_cast<std::size_t>(number)];
    scales.push_back({variable.mean, variable.stddev, variable.transform});
  }
  return scales;
}

const kernels::VitalsGridSpec& StayTransform::grid() const { return plan().spec(); }

std::int64_t StayTransform::length(const io::VitalsTable& table, std::int64_t stay) const {
  return std::clamp<std::int64_t>(bin(last_hour(table, stay)) + 1, 0, steps_);
}

Batch StayTransform::inputs(const io::VitalsTable& table,
                            const std::vector<std::int64_t>& stays) const {
  Batch batch;
  at::Tensor lengths = at::empty({static_cast<std::int64_t>(stays.size())}, at::kLong);
  std::transform(stays.begin(), stays.end(), lengths.mutable_data_ptr<std::int64_t>(),
                 [&](std::int64_t stay) { return length(table, stay); });
  auto grid = plan()(events(table, stays), lengths);
  if (clock_rate_ != 1) grid.delta.div_(clock_rate_);
  batch.inputs = {
      {"values", grid.values}, {"mask", grid.mask}, {"delta", grid.delta}, {"length", grid.length}};
  batch.inputs["static"] = statics(table, stays);
  for (const auto stay : stays) batch.ids.push_back(table.ids[stay]);
  return batch;
}

at::Tensor StayTransform::statics(const io::VitalsTable& table,
                                  const std::vector<std::int64_t>& stays) const {
  const auto count = static_cast<std::int64_t>(stays.size());
  at::Tensor statics = at::zeros({count, static_width()}, at::kFloat);
  float* out = statics.mutable_data_ptr<float>();
  const std::size_t columns = static_mean_.size();
  for (const auto stay : stays) {
    const float* row = table.statics.data() + stay * static_cast<std::int64_t>(columns);
    for (std::size_t c = 0; c < columns; ++c) {
      const double score = (row[c] - static_mean_[c]) / static_stddev_[c];
      *out++ = std::isnan(row[c]) ? 0.0F : static_cast<float>(score);
    }
    for (const auto flag : flags_) *out++ = std::isnan(row[flag]) ? 1.0F : 0.0F;
  }
  return statics;
}

std::vector<std::string> StayTransform::static_names() const {
  plan();
  std::vector<std::string> names = variables_.static_columns();
  for (const auto flag : flags_)
    names.push_back(names[static_cast<std::size_t>(flag)] + " missing");
  return names;
}

std::vector<std::int64_t> StayTransform::measured_at(const at::Tensor& mask, std::int64_t d) const {
  const double max_gap = seconds_of(grid().variables.at(static_cast<std::size_t>(d)).max_gap);
  const auto measured = mask.accessor<float, 2>();
  std::vector<std::int64_t> bins;
  std::int64_t last = -1;
  for (std::int64_t t = 0; t < mask.size(0); ++t) {
    if (measured[t][d] != 0) last = t;
    const double gap = static_cast<double>(t - last) * seconds_of(grid().step);
    bins.push_back(last >= 0 && gap <= max_gap ? last : -1);
  }
  return bins;
}

std::string StayTransform::toml() const {
  Config config =
      Config::parse(fmt::format("modality = \"vitals\"\nsource = \"{}\"\nstep = {}\nsteps = {}\n"
                                "[statistics]\nmean = {}\nstddev = {}\nstatic_mean = {}\n"
                                "static_stddev = {}\nstatic_flags = {}\n",
                                source_, step_, steps_, list(mean_), list(stddev_),
                                list(static_mean_), list(static_stddev_), list(flags_)),
                    "transform");
  const std::string unknown = refuses_unknown_ ? "refuse" : "drop";
  if (unknown != unknown_of(source_)) config.override_with("unknown", unknown);
  if (windows_) config.adopt("windows", Config::parse(windows_toml(*windows_), "windows"));
  if (row_rules_ != RowRules()) {
    config.adopt("rows", Config::parse(row_rules_toml(row_rules_), "rows"));
  }
  config.adopt("variables", Config::parse(variables_.toml(), "variables"));
  if (!targets_.empty()) config.adopt("targets", Config::parse(targets_.toml(), "targets"));
  return config.to_toml();
}

}  // namespace salus::data
