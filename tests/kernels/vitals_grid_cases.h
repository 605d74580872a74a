#pragma once

#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/vitals_grid.h"
#include "tests/support/reference/vitals_grid.h"

// What the tests of vitals_grid share, on whichever device.

namespace salus::kernels {

using Stays = std::vector<std::vector<reference::VitalsEvent>>;

inline VitalsEvents events_of(const Stays& stays, at::ScalarType time = at::kDouble,
                              at::ScalarType variable = at::kShort) {
  std::vector<std::int64_t> offsets = {0}, variables;
  std::vector<double> times;
  std::vector<float> values;
  for (const auto& stay : stays) {
    for (const auto& event : stay) {
      times.push_back(event.hours);
      variables.push_back(event.variable);
      values.push_back(static_cast<float>(event.value));
    }
    offsets.push_back(static_cast<std::int64_t>(times.size()));
  }
  return {at::tensor(offsets), at::tensor(times, at::kDouble).to(time),
          at::tensor(variables, at::kLong).to(variable), at::tensor(values, at::kFloat)};
}

/// `count` variables that between them have every aggregate, transform, fill, gap and range.
inline std::vector<GridVariable> mixed_variables(int count) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<GridVariable> variables(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    GridVariable& variable = variables[static_cast<std::size_t>(i)];
    variable.aggregate = static_cast<Aggregate>(i % 6);
    variable.transform = static_cast<GridTransform>(i / 2 % 3);
    variable.fill = static_cast<GridFill>(i / 3 % 3);
    if (variable.transform == GridTransform::kLog && variable.fill == GridFill::kZero) {
      variable.fill = GridFill::kMean;
    }
    const double gaps[] = {kInfinity, 0, 3, 7.5};
    variable.max_gap = gaps[i % 4];
    if (i % 5 == 0) variable.low = 0.5;
    if (i % 7 == 0) variable.high = 90;
    variable.mean = i % 2 == 0 ? 0 : 2.5;
    variable.stddev = i % 3 == 0 ? 1 : 0.75 + i % 3;
  }
  return variables;
}

struct RandomStays {
  int stays = 5;
  int events = 100;  ///< of a stay, at most
  int variables = 7;
  double hours = 48;
  bool sorted = true;
  std::uint64_t seed = 1;
};

/// Stays with all that may happen in one: none or one event, equal times, times before the stay and
/// after the grid, unknown variables, NaN and infinite values; unsorted ones have NaN times too.
inline Stays random_stays(const RandomStays& wanted) {
  std::mt19937_64 rng(wanted.seed);
  const auto uniform = [&] { return static_cast<double>(rng() >> 11) * 0x1p-53; };
  Stays stays(static_cast<std::size_t>(wanted.stays));
  for (std::size_t n = 0; n < stays.size(); ++n) {
    const int events = n == 1 ? 0 : n == 2 ? 1 : static_cast<int>(rng() % (wanted.events + 1));
    double before = 0;
    for (int e = 0; e < events; ++e) {
      reference::VitalsEvent event{};
      // Whole minutes; every tenth is that of the row before.
      event.hours = std::floor((uniform() * 1.1 - 0.05) * wanted.hours * 60) / 60;
      if (rng() % 10 == 0) event.hours = before;
      before = event.hours;
      event.variable = static_cast<std::int64_t>(rng() % (wanted.variables + 1));
      if (rng() % 50 == 0) event.variable = -1;
      event.value = static_cast<float>(uniform() * 100 - 3);
      if (rng() % 40 == 0) event.value = std::numeric_limits<double>::quiet_NaN();
      if (rng() % 60 == 0) event.value = -std::numeric_limits<double>::infinity();
      if (!wanted.sorted && rng() % 60 == 0) event.hours = std::nan("");
      stays[n].push_back(event);
    }
    if (wanted.sorted) {
      std::stable_sort(stays[n].begin(), stays[n].end(),
                       [](const auto& a, const auto& b) { return a.hours < b.hours; });
    }
  }
  return stays;
}

inline std::string print_case(const RandomStays& stays, const VitalsGridSpec& spec) {
  return std::to_string(stays.stays) + " stays of up to " + std::to_string(stays.events) +
         " events, " + std::to_string(spec.variables.size()) + " variables, " +
         std::to_string(spec.steps) + " steps of " + std::to_string(spec.step) +
         (stays.sorted ? " h, sorted" : " h, unsorted") + ", seed " + std::to_string(stays.seed);
}

/// Expects the grid of every stay to be what the float64 reference makes of it: masks, lengths and
/// counts exactly, deltas and values within the rounding of their type.
inline void expect_reference(const VitalsGrid& grid, const Stays& stays, const VitalsGridSpec& spec,
                             const std::vector<std::int64_t>& lengths = {}) {
  const at::Tensor values = grid.values.cpu().to(at::kDouble).contiguous();
  const at::Tensor mask = grid.mask.cpu().to(at::kDouble), delta = grid.delta.cpu().to(at::kDouble);
  const at::Tensor length = grid.length.cpu(), counts = grid.counts.cpu().to(at::kLong);
  const double unit = spec.dtype == at::kHalf ? 0x1p-11 : spec.dtype == at::kBFloat16 ? 0x1p-8 : 0;
  int wrong = 0;
  const auto fail = [&](const char* what, std::size_t n, std::size_t at, double is, double should) {
    if (++wrong > 5) return;
    ADD_FAILURE() << what << " of stay " << n << " step " << at / spec.variables.size()
                  << " variable " << at % spec.variables.size() << ": " << is << " instead of "
                  << should;
  };
  for (std::size_t n = 0; n < stays.size(); ++n) {
    const auto expected = reference::vitals_grid(stays[n], spec, lengths.empty() ? -1 : lengths[n]);
    EXPECT_EQ(length.const_data_ptr<std::int64_t>()[n], expected.length) << "stay " << n;
    const std::size_t cells = expected.values.size();
    for (std::size_t i = 0; i < cells; ++i) {
      const double is = values.const_data_ptr<double>()[n * cells + i];
      const double should = expected.values[i];
      const double close = (unit + 2e-6) * std::abs(should) + (unit > 0 ? 1e-7 : 0) + 6e-6;
      const bool same = std::isnan(should) ? std::isnan(is) : std::abs(is - should) <= close;
      if (!same) fail("value", n, i, is, should);
      const double masked = mask.const_data_ptr<double>()[n * cells + i];
      if (masked != expected.mask[i]) fail("mask", n, i, masked, expected.mask[i]);
      const double since = delta.const_data_ptr<double>()[n * cells + i];
      if (std::abs(since - expected.delta[i]) > 2e-7 * expected.delta[i]) {
        fail("delta", n, i, since, expected.delta[i]);
      }
    }
    for (std::size_t i = 0; i < expected.counts.size(); ++i) {
      const auto count = counts.const_data_ptr<std::int64_t>()[n * expected.counts.size() + i];
      EXPECT_EQ(count, expected.counts[i])
          << "stay " << n << " variable " << i / 3 << " kind " << i % 3;
    }
  }
}

/// Equal to the bit, but for the payload of NaN.
inline bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  if (a.scalar_type() != b.scalar_type() || a.sizes() != b.sizes()) return false;
  const at::Tensor x = a.cpu().contiguous(), y = b.cpu().contiguous();
  if (!x.is_floating_point()) return x.equal(y);
  const auto type = x.element_size() == 4 ? at::kInt : at::kShort;
  const at::Tensor either = x.view(type).eq(y.view(type)).logical_or(x.ne(x).logical_and(y.ne(y)));
  return either.all().item<bool>();
}

inline void expect_same_bits(const VitalsGrid& a, const VitalsGrid& b) {
  EXPECT_TRUE(same_bits(a.values, b.values));
  EXPECT_TRUE(same_bits(a.mask, b.mask));
  EXPECT_TRUE(same_bits(a.delta, b.delta));
  EXPECT_TRUE(same_bits(a.length, b.length));
  EXPECT_TRUE(same_bits(a.counts, b.counts));
}

}  // namespace salus::kernels
