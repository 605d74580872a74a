#pragma once

#include <ATen/ops/empty.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/io/error.h"
#include "engine/stream/stream_pool.h"
#include "engine/stream/vitals_stream.h"
#include "tests/support/files.h"

namespace salus::stream {

/// Half an hour a bin, eight bins. Variables of every kind of aggregate, transform and fill.
inline constexpr const char* kSmallTransform = R"(
modality = "vitals"
step = 0.5
steps = 8
[variables]
[[variables.variable]]
name = "HR"
aliases = ["Heart Rate"]
range = [10, 300]
[[variables.variable]]
name = "Temp"
unit = "degC"
aggregate = "mean"
max_gap = 1.0
[[variables.variable]]
name = "Urine"
aggregate = "sum"
transform = "log1p"
fill = "zero"
[[variables.variable]]
name = "SpO2"
aggregate = "min"
range = [50, 100]
max_gap = 0
[[variables.variable]]
name = "Lactate"
aggregate = "max"
transform = "log"
[[variables.variable]]
name = "Visits"
aggregate = "count"
[[variables.static]]
name = "Age"
[statistics]
mean = [80, 37, 3, 95, 0.5, 0]
stddev = [20, 1, 2, 4, 0.7, 1]
static_mean = [60]
static_stddev = [15]
static_flags = [0]
)";
inline const std::vector<std::string> kSmallNames = {"HR",   "Temp",    "Urine",
                                                     "SpO2", "Lactate", "Visits"};

/// A network whose state is a decaying sum over bins, per label with other weights: every input of
/// every bin matters, and so does the order of the bins.
class SumNetwork : public StepNetwork {
 public:
  SumNetwork(std::int64_t variables, std::int64_t statics, std::int64_t labels = 2)
      : variables_(variables), statics_(statics), labels_(labels) {}

  std::size_t state_bytes() const override { return static_cast<std::size_t>(labels_) * 8; }
  std::size_t workspace_bytes(std::int64_t series) const override {
    return static_cast<std::size_t>(series) * 64;
  }
  void start(const float* statics, std::byte* state, float* logits) const override {
    for (std::int64_t l = 0; l < labels_; ++l) {
      double sum = 0;
      for (std::int64_t s = 0; s < statics_; ++s) sum += statics[s] * (0.3 + 0.1 * double(l + s));
      std::memcpy(state + l * 8, &sum, 8);
      logits[l] = static_cast<float>(sum);
    }
  }
  void step(const StepInput& in, std::byte* const* states, float* logits,
            std::byte* workspace) const override {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(workspace) % 64, 0U);
    std::memset(workspace, 0xff, workspace_bytes(in.series));
    for (std::int64_t n = 0; n < in.series; ++n) {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(states[n]) % 8, 0U);
      for (std::int64_t l = 0; l < labels_; ++l) {
        double sum = 0;
        std::memcpy(&sum, states[n] + l * 8, 8);
        sum *= 0.8;
        for (std::int64_t v = 0; v < variables_; ++v) {
          const auto at = n * variables_ + v;
          const double weight = std::sin(1.0 + double(3 * v + l));
          sum += weight * (0.1 * in.values[at] + 0.2 * in.mask[at] + 0.05 * in.delta[at]);
        }
        std::memcpy(states[n] + l * 8, &sum, 8);
        logits[n * labels_ + l] = static_cast<float>(sum);
      }
    }
  }

 private:
  std::int64_t variables_, statics_, labels_;
};

/// Keeps every bin that a series has been given, and lets them be looked at.
class RecordingNetwork : public StepNetwork {
 public:
  RecordingNetwork(std::int64_t variables, std::int64_t steps)
      : row_(static_cast<std::size_t>(3 * variables)), steps_(static_cast<std::size_t>(steps)) {}

  std::size_t state_bytes() const override { return 8 + (row_ * steps_ + 1) / 2 * 8; }
  std::size_t workspace_bytes(std::int64_t) const override { return 0; }
  void start(const float*, std::byte* state, float* logits) const override {
    std::memset(state, 0, 8);
    logits[0] = -1;
    seen_.clear();
  }
  void step(const StepInput& in, std::byte* const* states, float* logits,
            std::byte*) const override {
    for (std::int64_t n = 0; n < in.series; ++n) {
      std::int64_t bins = 0;
      std::memcpy(&bins, states[n], 8);
      const std::size_t width = row_ / 3;
      auto* rows = reinterpret_cast<float*>(states[n] + 8);
      float* row = rows + static_cast<std::size_t>(bins) * row_;
      for (const float* part : {in.values, in.mask, in.delta}) {
        row = std::copy_n(part + static_cast<std::size_t>(n) * width, width, row);
      }
      ++bins;
      std::memcpy(states[n], &bins, 8);
      logits[n] = static_cast<float>(bins);
      seen_.assign(rows, row);
    }
  }

  /// Values, mask and delta of each bin [bins, 3, D] of the series that was stepped last.
  const std::vector<float>& seen() const { return seen_; }

 private:
  std::size_t row_, steps_;
  mutable std::vector<float> seen_;
};

inline infer::Bundle small_bundle(std::vector<std::string> labels = {"death", "sepsis"},
                                  const std::string& transform = kSmallTransform) {
  infer::Bundle bundle;
  bundle.name = "small";
  bundle.task = {labels.size() > 1 ? TaskKind::kMultilabel : TaskKind::kBinary, labels};
  bundle.model.name = "sum";
  bundle.model.modality = Modality::kVitals;
  bundle.model.outputs = static_cast<std::int64_t>(labels.size());
  bundle.transform_toml = transform;
  evaluate::Calibration platt;
  platt.kind = evaluate::Calibration::Kind::kPlatt;
  platt.slope = 0.9;
  platt.intercept = -0.2;
  bundle.calibration.assign(labels.size(), platt);
  bundle.operating_points = {{"youden", labels[0], 0.5}};
  return bundle;
}

inline std::shared_ptr<const StreamModel> small_model(const StreamOptions& options = {}) {
  return std::make_shared<StreamModel>(small_bundle(), std::make_shared<SumNetwork>(6, 2), options);
}

/// Random events of kSmallNames, in order of time: some not plausible, some before the stay, some of
/// times that another one has, and some unknown.
struct RandomStay {
  std::vector<StreamEvent> events;

  explicit RandomStay(unsigned seed, int count = 60, double from = -0.2, double to = 4.3) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> time(from, to);
    std::uniform_int_distribution<std::size_t> name(0, kSmallNames.size());
    std::uniform_real_distribution<float> value(-20, 320);
    for (int i = 0; i < count; ++i) {
      const std::size_t which = name(random);
      std::string_view variable = "Mood";
      if (which < kSmallNames.size()) variable = kSmallNames[which];
      double hours = std::round(time(random) * 60) / 60;
      if (i % 7 == 6) hours = events.back().time;
      events.push_back({.time = hours, .variable = variable, .value = value(random)});
    }
    std::stable_sort(events.begin(), events.end(),
                     [](const auto& a, const auto& b) { return a.time < b.time; });
  }
};

/// The number of a name in kSmallNames; -1 if it is none of them.
inline std::int32_t number_of(std::string_view name) {
  const auto found = std::find(kSmallNames.begin(), kSmallNames.end(), name);
  return found == kSmallNames.end() ? -1 : static_cast<std::int32_t>(found - kSmallNames.begin());
}

/// vitals_grid of the events, as RecordingNetwork::seen() has it.
inline std::vector<float> grid_of(std::span<const StreamEvent> events,
                                  const kernels::VitalsGridSpec& spec) {
  const auto count = static_cast<std::int64_t>(events.size());
  kernels::VitalsEvents rows;
  rows.offsets = at::empty({2}, at::kLong);
  rows.offsets.mutable_data_ptr<std::int64_t>()[0] = 0;
  rows.offsets.mutable_data_ptr<std::int64_t>()[1] = count;
  rows.time = at::empty({count}, at::kDouble);
  rows.variable = at::empty({count}, at::kInt);
  rows.value = at::empty({count}, at::kFloat);
  for (std::size_t i = 0; i < events.size(); ++i) {
    rows.time.mutable_data_ptr<double>()[i] = events[i].time;
    rows.variable.mutable_data_ptr<std::int32_t>()[i] = number_of(events[i].variable);
    rows.value.mutable_data_ptr<float>()[i] = events[i].value;
  }
  const kernels::VitalsGrid grid = kernels::vitals_grid(rows, spec);
  const auto bins = *grid.length.const_data_ptr<std::int64_t>();
  const auto width = static_cast<std::int64_t>(spec.variables.size());
  std::vector<float> seen;
  for (std::int64_t t = 0; t < bins; ++t) {
    for (const at::Tensor& part : {grid.values, grid.mask, grid.delta}) {
      const float* row = part.const_data_ptr<float>() + t * width;
      seen.insert(seen.end(), row, row + width);
    }
  }
  return seen;
}

/// To the bit; NaN equals NaN of the same bits.
inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace salus::stream
