#include "kernels/vitals_grid.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <hwy/targets.h>

#include <functional>

#include "kernels/dispatch.h"
#include "tests/kernels/vitals_grid_cases.h"

namespace salus::kernels {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

VitalsGridSpec mixed_spec(int variables, std::int64_t steps, double step = 1) {
  VitalsGridSpec spec;
  spec.variables = mixed_variables(variables);
  spec.steps = steps;
  spec.step = step;
  return spec;
}

VitalsEvents placed(const VitalsEvents& events, at::DeviceType device) {
  return {events.offsets.to(device), events.time.to(device), events.variable.to(device),
          events.value.to(device)};
}

at::Tensor lengths(std::vector<std::int64_t> values) { return at::tensor(values); }

/// One device, one type of value.
class VitalsGridTest : public ::testing::TestWithParam<std::tuple<at::DeviceType, at::ScalarType>> {
 protected:
  void SetUp() override {
    if (device() == at::kCUDA && !cuda_problem().empty()) GTEST_SKIP() << cuda_problem();
  }
  at::DeviceType device() const { return std::get<0>(GetParam()); }
  VitalsGrid grid(const VitalsEvents& events, VitalsGridSpec spec,
                  const at::Tensor& length = {}) const {
    spec.dtype = std::get<1>(GetParam());
    return vitals_grid(placed(events, device()), spec,
                       length.defined() ? length.to(device()) : length);
  }
};

TEST_P(VitalsGridTest, MatchesTheFloat64ReferenceAroundEveryEdge) {
  const struct {
    int variables, events;
    std::int64_t steps;
    double step;
  } sizes[] = {{1, 40, 1, 1},          {7, 33, 31, 1},     {8, 64, 32, 0.5}, {9, 100, 33, 2},
               {15, 300, 48, 1},       {16, 300, 64, 1},   {17, 90, 65, 1},  {31, 200, 20, 1},
               {37, 500, 48, 1},       {64, 200, 5, 1},    {65, 200, 6, 1},  {130, 90, 34, 1},
               {3, 60, 300, 1 / 12.0}, {5, 2000, 12, 24.0}};
  for (const bool sorted : {true, false}) {
    for (const auto& size : sizes) {
      VitalsGridSpec spec = mixed_spec(size.variables, size.steps, size.step);
      const RandomStays wanted = {6, size.events, size.variables,
                                  static_cast<double>(size.steps) * size.step, sorted};
      const Stays stays = random_stays(wanted);
      SCOPED_TRACE(print_case(wanted, spec));
      const VitalsGrid made = grid(events_of(stays), spec);
      spec.dtype = std::get<1>(GetParam());
      expect_reference(made, stays, spec);
    }
  }
}

TEST_P(VitalsGridTest, GivenLengthsCutTheStays) {
  VitalsGridSpec spec = mixed_spec(12, 40);
  const Stays stays = random_stays({6, 200, 12, 40});
  const std::vector<std::int64_t> given = {40, 7, 0, 33, 32, 1};
  const VitalsGrid made = grid(events_of(stays), spec, lengths(given));
  spec.dtype = std::get<1>(GetParam());
  expect_reference(made, stays, spec, given);
}

TEST_P(VitalsGridTest, LengthsAreClampedToTheGrid) {
  const VitalsEvents events = events_of(random_stays({3, 50, 4, 10}));
  const VitalsGrid made = grid(events, mixed_spec(4, 10), lengths({-5, 11, 1L << 40}));
  EXPECT_TRUE(at::equal(made.length.cpu(), lengths({0, 10, 10})));
}

TEST_P(VitalsGridTest, AStayCutAtATimeHasTheBitsOfItsOwnPast) {
  VitalsGridSpec spec = mixed_spec(9, 30);
  const Stays whole = random_stays({1, 300, 9, 30});
  const VitalsGrid all = grid(events_of(whole), spec);
  for (const double now : {0.5, 6.0, 13.0, 29.0}) {
    Stays past = whole;
    std::erase_if(past[0], [&](const auto& event) { return event.hours >= now; });
    const auto bins = static_cast<std::int64_t>(now);
    const VitalsGrid cut = grid(events_of(past), spec, lengths({bins}));
    EXPECT_TRUE(same_bits(cut.values[0].slice(0, 0, bins), all.values[0].slice(0, 0, bins)));
    EXPECT_TRUE(same_bits(cut.delta[0].slice(0, 0, bins), all.delta[0].slice(0, 0, bins)));
    EXPECT_EQ(cut.mask[0].slice(0, bins).abs().sum().item<double>(), 0);
  }
}

TEST_P(VitalsGridTest, AStayIsTheSameInAnyBatch) {
  const VitalsGridSpec spec = mixed_spec(10, 25);
  const Stays stays = random_stays({7, 150, 10, 25});
  const VitalsGrid together = grid(events_of(stays), spec);
  for (const std::size_t n : {0u, 1u, 6u}) {
    const VitalsGrid alone = grid(events_of({stays[n]}), spec);
    const auto row = static_cast<std::int64_t>(n);
    EXPECT_TRUE(same_bits(alone.values[0], together.values[row])) << "stay " << n;
    EXPECT_TRUE(same_bits(alone.counts[0], together.counts[row])) << "stay " << n;
  }
}

TEST_P(VitalsGridTest, SomeStaysOfALargerTableAreRead) {
  const VitalsGridSpec spec = mixed_spec(10, 25);
  VitalsEvents events = events_of(random_stays({7, 150, 10, 25}));
  const VitalsGrid all = grid(events, spec);
  events.offsets = events.offsets.slice(0, 3, 6);
  const VitalsGrid some = grid(events, spec);
  EXPECT_TRUE(same_bits(some.values, all.values.slice(0, 3, 5)));
  EXPECT_TRUE(same_bits(some.counts, all.counts.slice(0, 3, 5)));
}

TEST_P(VitalsGridTest, TimesAndNumbersOfAnyTypeGiveTheSameBits) {
  const VitalsGridSpec spec = mixed_spec(10, 48);
  const Stays stays = random_stays({5, 200, 10, 48});
  const VitalsGrid made = grid(events_of(stays), spec);
  for (const auto time : {at::kFloat, at::kDouble}) {
    for (const auto variable : {at::kShort, at::kInt}) {
      expect_same_bits(grid(events_of(stays, time, variable), spec), made);
    }
  }
}

TEST_P(VitalsGridTest, EmptyStaysAndBatchesGiveEmptyGrids) {
  const VitalsGridSpec spec = mixed_spec(5, 8);
  EXPECT_EQ(grid(events_of({}), spec).values.sizes(), (std::vector<std::int64_t>{0, 8, 5}));
  const VitalsGrid made = grid(events_of({{}, {}}), spec);
  EXPECT_TRUE(at::equal(made.length.cpu(), lengths({0, 0})));
  for (const at::Tensor& tensor : {made.values, made.mask, made.delta, made.counts}) {
    EXPECT_EQ(tensor.abs().sum().item<double>(), 0);
  }
  // With a length the stay has steps without any event: fill and age.
  const VitalsGrid aged = grid(events_of({{}}), spec, lengths({3}));
  EXPECT_EQ(aged.delta.cpu().select(2, 0).select(0, 0)[2].item<float>(), 2);
}

TEST_P(VitalsGridTest, OrderOfRowsOnlyMattersToSums) {
  VitalsGridSpec spec = mixed_spec(12, 30);
  for (GridVariable& variable : spec.variables) {
    if (variable.aggregate == Aggregate::kMean || variable.aggregate == Aggregate::kSum) {
      variable.aggregate = Aggregate::kMax;
    }
  }
  Stays stays = random_stays({4, 200, 12, 30});
  for (auto& stay : stays) {  // no two rows of a variable at one time, whose order would matter
    for (std::size_t i = 0; i < stay.size(); ++i) stay[i].hours += static_cast<double>(i) * 1e-5;
  }
  const VitalsGrid sorted = grid(events_of(stays), spec);
  for (auto& stay : stays) std::reverse(stay.begin(), stay.end());
  expect_same_bits(grid(events_of(stays), spec), sorted);
}

INSTANTIATE_TEST_SUITE_P(Devices, VitalsGridTest,
                         ::testing::Combine(::testing::Values(at::kCPU, at::kCUDA),
                                            ::testing::Values(at::kFloat, at::kHalf,
                                                              at::kBFloat16)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param) == at::kCPU ? "Cpu"
                                                                                  : "Cuda") +
                                  c10::toString(std::get<1>(info.param));
                         });

TEST(VitalsGridCudaTest, HasTheBitsOfTheCpu) {
  if (!cuda_problem().empty()) GTEST_SKIP() << cuda_problem();
  for (const bool sorted : {true, false}) {
    const VitalsGridSpec spec = mixed_spec(70, 100);
    const VitalsEvents events = events_of(random_stays({40, 900, 70, 100, sorted}));
    const VitalsGrid cuda = vitals_grid(placed(events, at::kCUDA), spec);
    expect_same_bits(cuda, vitals_grid(events, spec));
  }
}

TEST(VitalsGridCpuTest, ThreadsDoNotChangeTheBits) {
  const VitalsGridSpec spec = mixed_spec(20, 48);
  const VitalsEvents events = events_of(random_stays({30, 200, 20, 48}));
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const VitalsGrid one = vitals_grid(events, spec);
  for (const int threads : {2, 3, 7}) {
    at::set_num_threads(threads);
    expect_same_bits(vitals_grid(events, spec), one);
  }
  at::set_num_threads(before);
}

/// The processor's best instruction set is what all other tests run.
class VitalsGridTargetTest : public ::testing::TestWithParam<std::int64_t> {
 protected:
  static void choose(std::int64_t targets) {
    hwy::SetSupportedTargetsForTest(targets);
    hwy::GetChosenTarget().DeInit();
  }
  void TearDown() override { choose(0); }
};

TEST_P(VitalsGridTargetTest, EveryInstructionSetGivesTheSameBits) {
  if ((hwy::SupportedTargets() & GetParam()) == 0) {
    GTEST_SKIP() << "this processor has no " << hwy::TargetName(GetParam());
  }
  for (const auto type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    for (const int variables : {1, 5, 16, 37}) {
      VitalsGridSpec spec = mixed_spec(variables, 33);
      spec.dtype = type;
      const VitalsEvents events = events_of(random_stays({6, 300, variables, 33}));
      choose(0);
      const VitalsGrid best = vitals_grid(events, spec);
      choose(GetParam());
      expect_same_bits(vitals_grid(events, spec), best);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, VitalsGridTargetTest,
                         ::testing::Values(HWY_SSSE3, HWY_AVX2, HWY_AVX3),
                         [](const auto& info) { return std::string(hwy::TargetName(info.param)); });

TEST(VitalsGridCpuTest, LogarithmsAreWithinTheirRounding) {
  VitalsGridSpec spec;
  spec.variables.resize(2);
  spec.variables[0].transform = GridTransform::kLog;
  spec.variables[1].transform = GridTransform::kLog1p;
  spec.steps = 1;
  for (double value = 1.2e-38; value < 3e38; value *= 1.37) {
    const auto single = static_cast<float>(value);
    const VitalsGrid grid = vitals_grid(events_of({{{0, 0, single}, {0, 1, single}}}), spec);
    const double log = std::log(static_cast<double>(single));
    const double log1p = std::log1p(static_cast<double>(single));
    EXPECT_NEAR(grid.values[0][0][0].item<float>(), log, 1.2e-7 * std::abs(log) + 1e-7) << single;
    EXPECT_NEAR(grid.values[0][0][1].item<float>(), log1p, 3e-7 * log1p) << single;
  }
}

TEST(VitalsGridCpuTest, ResultsGoIntoTheCallersTensors) {
  const VitalsGridPlan plan(mixed_spec(6, 20), at::kCPU);
  const VitalsEvents events = events_of(random_stays({4, 100, 6, 20}));
  const VitalsGrid mine = plan.empty(4);
  const void* before = mine.values.const_data_ptr();
  plan.run(events, {}, mine);
  EXPECT_EQ(mine.values.const_data_ptr(), before);
  expect_same_bits(mine, plan(events));
}

void expect_refused(const std::function<void()>& call, const std::string& words) {
  try {
    call();
    ADD_FAILURE() << "not refused: " << words;
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what_without_backtrace()).find(words), std::string::npos)
        << error.what_without_backtrace();
  }
}

TEST(VitalsGridCpuTest, RefusesSpecsOutsideOfWhatIsStated) {
  const auto refused = [](const std::function<void(VitalsGridSpec&)>& change,
                          const std::string& words) {
    VitalsGridSpec spec = mixed_spec(3, 4);
    change(spec);
    expect_refused([&] { VitalsGridPlan(spec, at::kCPU); }, words);
  };
  refused([](auto& s) { s.variables.clear(); }, "0 variables");
  refused([](auto& s) { s.variables.resize((1 << 15) + 1); }, "32769 variables");
  refused([](auto& s) { s.steps = 0; }, "steps");
  refused([](auto& s) { s.steps = (1L << 30) + 1; }, "steps");
  refused([](auto& s) { s.step = 0; }, "one second");
  refused([](auto& s) { s.step = kNaN; }, "one second");
  refused([](auto& s) { s.step = 1e9; }, "more than 524288 hours");
  refused([](auto& s) { s.dtype = at::kDouble; }, "float32, float16 or bfloat16");
  refused([](auto& s) { s.variables[1].mean = kNaN; }, "mean of variable 1");
  refused([](auto& s) { s.variables[1].stddev = 0; }, "stddev of variable 1");
  refused([](auto& s) { s.variables[1].stddev = -1; }, "stddev of variable 1");
  refused([](auto& s) { s.variables[1].stddev = kNaN; }, "stddev of variable 1");
  refused([](auto& s) { s.variables[2].low = 5, s.variables[2].high = 4; }, "range of variable 2");
  refused([](auto& s) { s.variables[2].low = kNaN; }, "range of variable 2");
  refused([](auto& s) { s.variables[0].max_gap = -1; }, "max_gap of variable 0");
  refused([](auto& s) { s.variables[0].max_gap = kNaN; }, "max_gap of variable 0");
  refused(
      [](auto& s) {
        s.variables[0].transform = GridTransform::kLog;
        s.variables[0].fill = GridFill::kZero;
      },
      "no logarithm");
}

TEST(VitalsGridCpuTest, RefusesOtherEvents) {
  const auto refused = [](const std::function<void(VitalsEvents&)>& change,
                          const std::string& words) {
    VitalsEvents events = events_of(random_stays({3, 20, 3, 4}));
    change(events);
    expect_refused([&] { vitals_grid(events, mixed_spec(3, 4)); }, words);
  };
  refused([](auto& e) { e.offsets = at::Tensor(); }, "offsets");
  refused([](auto& e) { e.offsets = e.offsets.to(at::kInt); }, "offsets cannot be Int");
  refused([](auto& e) { e.offsets = e.offsets.slice(0, 0, 0); }, "N + 1");
  refused([](auto& e) { e.offsets = e.offsets.flip(0).contiguous(); }, "offsets");
  refused([](auto& e) { e.offsets[1] = e.offsets[3] + 1; }, "offsets descend after stay 1");
  refused([](auto& e) { e.offsets[0] = -1; }, "offsets go from -1");
  refused([](auto& e) { e.offsets[3] += 1; }, "offsets go from 0 to");
  refused([](auto& e) { e.time = e.time.to(at::kLong); }, "time cannot be Long");
  refused([](auto& e) { e.time = at::cat({e.time, e.time}).slice(0, 0, {}, 2); }, "contiguous");
  refused([](auto& e) { e.variable = e.variable.to(at::kLong); }, "variable cannot be Long");
  refused([](auto& e) { e.variable = e.variable.slice(0, 1); }, "as many of each");
  refused([](auto& e) { e.value = e.value.to(at::kDouble); }, "value cannot be Double");
  refused([](auto& e) { e.value = e.value.slice(0, 1); }, "as many of each");
  refused([](auto& e) { e.value = e.value.unsqueeze(0); }, "one dimension");
}

TEST(VitalsGridCpuTest, RefusesOtherLengthsAndResults) {
  const VitalsGridPlan plan(mixed_spec(3, 4), at::kCPU);
  const VitalsEvents events = events_of(random_stays({3, 20, 3, 4}));
  expect_refused([&] { plan(events, lengths({1, 2})); }, "2 lengths for 3 stays");
  expect_refused([&] { plan(events, lengths({1, 2, 3}).to(at::kInt)); }, "length cannot be Int");
  const auto refused = [&](const std::function<void(VitalsGrid&)>& change,
                           const std::string& words) {
    VitalsGrid grid = plan.empty(3);
    change(grid);
    expect_refused([&] { plan.run(events, {}, grid); }, words);
  };
  refused([](auto& g) { g.values = g.values.to(at::kHalf); }, "result's values");
  refused([](auto& g) { g.mask = g.mask.slice(1, 1); }, "result's mask");
  refused([](auto& g) { g.delta = at::Tensor(); }, "result's delta");
  refused([](auto& g) { g.length = g.length.slice(0, 1); }, "result's length");
  refused([](auto& g) { g.counts = g.counts.to(at::kLong); }, "result's counts");
}

}  // namespace
}  // namespace salus::kernels
