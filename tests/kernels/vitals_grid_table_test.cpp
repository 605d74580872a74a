#include <ATen/ops/equal.h>

#include <cmath>

#include "kernels/vitals_grid.h"
#include "tests/kernels/vitals_grid_cases.h"

// Grids worked out by hand, on the CPU; vitals_grid_simt_test.cpp holds the CUDA body to its bits.
namespace salus::kernels {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

VitalsGridSpec raw_spec(int variables, double step, std::int64_t steps) {
  VitalsGridSpec spec;
  spec.variables.resize(static_cast<std::size_t>(variables));
  spec.step = step;
  spec.steps = steps;
  return spec;
}

/// One variable of the only stay, over time.
std::vector<float> column(const at::Tensor& grid, std::int64_t variable = 0) {
  const at::Tensor steps = grid.select(2, variable).select(0, 0).to(at::kFloat).contiguous();
  return {steps.const_data_ptr<float>(), steps.const_data_ptr<float>() + steps.numel()};
}

void expect_column(const std::vector<float>& is, const std::vector<float>& should) {
  ASSERT_EQ(is.size(), should.size());
  for (std::size_t t = 0; t < is.size(); ++t) {
    if (std::isnan(should[t])) {
      EXPECT_TRUE(std::isnan(is[t])) << "step " << t;
    } else {
      EXPECT_FLOAT_EQ(is[t], should[t]) << "step " << t;
    }
  }
}

TEST(VitalsGridTableTest, DeltaIsThatOfTheHandWorkedTable) {
  // hour                                0   1   2   3   4   5   6   7
  // events (value @ hour)            10@.2  .  20@2.1,  .   .  30@5  .   -
  //                                            24@2.6
  const Stays stays = {{{0.2, 0, 10}, {2.1, 0, 20}, {2.6, 0, 24}, {5.0, 0, 30}, {6.5, 1, 1}}};
  const VitalsGrid grid = vitals_grid(events_of(stays), raw_spec(2, 1, 8));
  EXPECT_EQ(grid.length.item<std::int64_t>(), 7);
  expect_column(column(grid.values), {10, 10, 24, 24, 24, 30, 30, 0});
  expect_column(column(grid.mask), {1, 0, 1, 0, 0, 1, 0, 0});
  // d_1 = 1 + (1 - m_0) d_0 = 1 + 0; d_2 = 1 + (1 - m_1) d_1 = 2; d_3 = 1 + (1 - m_2) d_2 = 1; ...
  // Published code that takes m_t for m_{t-1} has 0 1 0 1 2 0 1 here, and code that carries the
  // observation's own step has 1 1 2 1 2 3 1.
  expect_column(column(grid.delta), {0, 1, 2, 1, 2, 3, 1, 0});
  // A variable that is seen at the end only ages from the first step.
  expect_column(column(grid.values, 1), {0, 0, 0, 0, 0, 0, 1, 0});
  expect_column(column(grid.delta, 1), {0, 1, 2, 3, 4, 5, 6, 0});
}

TEST(VitalsGridTableTest, DeltaIsThatOfFigure2OfTheGruDPaper) {
  // Che et al. 2018, figure 2: values at s = 0, 0.1, 0.6, 1.6, 2.2, 2.5, 3.1; on a grid of 0.1 the
  // steps between them are not observed, so that delta at these times is the figure's.
  const std::vector<int> at = {0, 1, 6, 16, 22, 25, 31};
  const std::vector<std::vector<double>> x = {{47, 49, kNaN, 40, kNaN, 43, 55},
                                              {kNaN, 15, 14, kNaN, kNaN, kNaN, 15}};
  const std::vector<std::vector<float>> delta = {{0, 0.1f, 0.5f, 1.5f, 0.6f, 0.9f, 0.6f},
                                                 {0, 0.1f, 0.5f, 1.0f, 1.6f, 1.9f, 2.5f}};
  Stays stays(1);
  for (std::size_t i = 0; i < at.size(); ++i) {
    for (int d = 0; d < 2; ++d) {
      if (!std::isnan(x[d][i])) stays[0].push_back({at[i] / 10.0, d, x[d][i]});
    }
  }
  const VitalsGrid grid = vitals_grid(events_of(stays), raw_spec(2, 0.1, 32));
  for (int d = 0; d < 2; ++d) {
    const auto mask = column(grid.mask, d), since = column(grid.delta, d);
    for (std::size_t i = 0; i < at.size(); ++i) {
      EXPECT_EQ(mask[at[i]], std::isnan(x[d][i]) ? 0 : 1) << "variable " << d << " time " << i;
      EXPECT_FLOAT_EQ(since[at[i]], delta[d][i]) << "variable " << d << " time " << i;
    }
  }
}

TEST(VitalsGridTableTest, EachAggregateIsThatOfTheBin) {
  VitalsGridSpec spec = raw_spec(6, 2, 2);
  Stays stays(1);
  for (int d = 0; d < 6; ++d) {
    spec.variables[d].aggregate = static_cast<Aggregate>(d);
    // Out of order: the value of 1.5 is the last of bin 0, also of the two rows at 1.5 the later.
    for (const auto& [hours, value] : {std::pair(0.5, 8.0), {1.5, 2.0}, {1.5, 4.0}, {1.0, 6.0}}) {
      stays[0].push_back({hours, d, value});
    }
    stays[0].push_back({3.0, d, 7.0});
  }
  const VitalsGrid grid = vitals_grid(events_of(stays), spec);
  expect_column(column(grid.values, static_cast<int>(Aggregate::kLast)), {4, 7});
  expect_column(column(grid.values, static_cast<int>(Aggregate::kMean)), {5, 7});
  expect_column(column(grid.values, static_cast<int>(Aggregate::kMin)), {2, 7});
  expect_column(column(grid.values, static_cast<int>(Aggregate::kMax)), {8, 7});
  expect_column(column(grid.values, static_cast<int>(Aggregate::kSum)), {20, 7});
  expect_column(column(grid.values, static_cast<int>(Aggregate::kCount)), {4, 1});
}

TEST(VitalsGridTableTest, ValuesAreCarriedForNoLongerThanTheGap) {
  VitalsGridSpec spec = raw_spec(3, 0.5, 6);
  spec.variables[0].max_gap = 1;     // two bins
  spec.variables[1].max_gap = 1.49;  // down to two bins
  spec.variables[2].max_gap = 0;
  for (GridVariable& variable : spec.variables) variable.fill = GridFill::kNaN;
  const Stays stays = {{{0.6, 0, 5}, {0.6, 1, 5}, {0.6, 2, 5}}};
  const VitalsGrid grid = vitals_grid(events_of(stays), spec, at::tensor({std::int64_t{6}}));
  const auto nan = static_cast<float>(kNaN);
  expect_column(column(grid.values, 0), {nan, 5, 5, 5, nan, nan});
  expect_column(column(grid.values, 1), {nan, 5, 5, 5, nan, nan});
  expect_column(column(grid.values, 2), {nan, 5, nan, nan, nan, nan});
  expect_column(column(grid.delta, 0), {0, 0.5, 0.5, 1, 1.5, 2});
}

TEST(VitalsGridTableTest, FillsTransformsAndZScoresAreInTheirOrder) {
  VitalsGridSpec spec = raw_spec(4, 1, 2);
  for (GridVariable& variable : spec.variables) variable.mean = 2, variable.stddev = 4;
  spec.variables[1].fill = GridFill::kZero;
  spec.variables[2].transform = GridTransform::kLog;
  spec.variables[3].transform = GridTransform::kLog1p;
  spec.variables[3].fill = GridFill::kZero;
  Stays stays(1);
  for (int d = 0; d < 4; ++d) stays[0].push_back({1.0, d, 50.0});
  const VitalsGrid grid = vitals_grid(events_of(stays), spec);
  expect_column(column(grid.values, 0), {0, 12});
  expect_column(column(grid.values, 1), {-0.5, 12});
  expect_column(column(grid.values, 2), {0, static_cast<float>((std::log(50.0) - 2) / 4)});
  expect_column(column(grid.values, 3), {-0.5, static_cast<float>((std::log(51.0) - 2) / 4)});
}

TEST(VitalsGridTableTest, EventsAreCountedOnceByWhatBecameOfThem) {
  VitalsGridSpec spec = raw_spec(3, 1, 4);
  spec.variables[0].low = 10, spec.variables[0].high = 20;
  spec.variables[1].transform = GridTransform::kLog;
  const double infinity = std::numeric_limits<double>::infinity();
  const Stays stays = {{{-1, 0, 15},   // before the stay
                        {0, 0, 10},    // used: the ends belong to the range
                        {1, 0, 20},    // used
                        {2, 0, 9.99},  // outside the range
                        {2, 0, kNaN},
                        {9, 0, 21},  // outside both: counted as outside the range
                        {9, 0, 11},  // outside the grid
                        {kNaN, 0, 12},
                        {0, 1, 0},   // no logarithm
                        {0, 1, -1},  // no logarithm
                        {0, 1, 1},
                        {0, 2, infinity},
                        {0, 3, 1},  // no such variable
                        {0, -1, 1}}};
  const VitalsGrid grid = vitals_grid(events_of(stays), spec);
  const at::Tensor expected = at::tensor({2, 3, 3, 1, 2, 0, 0, 1, 0}, at::kInt).view({1, 3, 3});
  EXPECT_TRUE(at::equal(grid.counts, expected)) << grid.counts;
  EXPECT_EQ(grid.length.item<std::int64_t>(), 4);
}

TEST(VitalsGridTableTest, EveryMinuteFallsIntoItsBinAsFloat32AndFloat64) {
  constexpr int kDays = 20;
  VitalsGridSpec spec = raw_spec(1, 1.0 / 60, 60 * 24 * kDays);
  spec.variables[0].aggregate = Aggregate::kCount;
  Stays stays(1);
  for (std::int64_t minute = 0; minute < spec.steps; ++minute) {
    stays[0].push_back({static_cast<double>(minute) / 60, 0, 1});
  }
  for (const auto type : {at::kFloat, at::kDouble}) {
    const VitalsGrid grid = vitals_grid(events_of(stays, type), spec);
    EXPECT_EQ(grid.mask.sum().item<double>(), static_cast<double>(spec.steps)) << type;
    EXPECT_EQ(grid.values.max().item<float>(), 1) << type;
  }
}

TEST(VitalsGridTableTest, TimesAreRoundedToTheNearestSecond) {
  VitalsGridSpec spec = raw_spec(1, 1, 3);
  const auto bin = [&](double hours) {
    const VitalsGrid grid = vitals_grid(events_of({{{hours, 0, 1}}}), spec);
    return grid.mask.sum().item<double>() == 0
               ? -1
               : static_cast<int>(grid.mask.argmax().item<std::int64_t>());
  };
  EXPECT_EQ(bin(3599.4 / 3600), 0);
  EXPECT_EQ(bin(3599.6 / 3600), 1);
  EXPECT_EQ(bin(-0.4 / 3600), 0);
  EXPECT_EQ(bin(-0.6 / 3600), -1);
  EXPECT_EQ(bin(-0.0), 0);
  EXPECT_EQ(bin(1e-300), 0);
  EXPECT_EQ(bin(10799.4 / 3600), 2);
  EXPECT_EQ(bin(10799.6 / 3600), -1);
  EXPECT_EQ(bin(1e6), -1);
  EXPECT_EQ(bin(1e300), -1);
  EXPECT_EQ(bin(-1e300), -1);
  EXPECT_EQ(bin(std::numeric_limits<double>::infinity()), -1);
}

}  // namespace
}  // namespace salus::kernels
