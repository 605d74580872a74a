#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "kernels/vitals_grid.cuh"
#include "kernels/vitals_grid_cost.h"
#include "tests/kernels/vitals_grid_cases.h"
#include "tests/support/simt/simt.h"

// The text of the CUDA kernel under the emulator, against the CPU operator and the reference.
namespace salus::kernels {
namespace {

template <typename T>
constexpr at::ScalarType kType = at::kFloat;
template <>
constexpr at::ScalarType kType<Half> = at::kHalf;
template <>
constexpr at::ScalarType kType<BFloat16> = at::kBFloat16;

template <typename T>
simt::Buffer<T> buffer_of(const char* name, const at::Tensor& tensor) {
  const auto* first = static_cast<const T*>(tensor.const_data_ptr());
  return {name, std::span<const T>(first, static_cast<std::size_t>(tensor.nbytes() / sizeof(T)))};
}

template <typename T>
void copy_out(const simt::Buffer<T>& from, const at::Tensor& to) {
  std::memcpy(to.mutable_data_ptr(), from.data(), to.nbytes());
}

struct Emulated {
  VitalsGrid grid;
  simt::Report report;
  KernelCost cost;
};

/// vitals_grid() by the kernel's body.
template <typename T>
Emulated emulate(const VitalsEvents& events, const VitalsGridSpec& spec,
                 const at::Tensor& length = {}, std::uint64_t order = 1) {
  Emulated result;
  const std::int64_t stays = events.offsets.numel() - 1;
  result.grid = VitalsGridPlan(spec, at::kCPU).empty(stays);
  const VitalsGrid& grid = result.grid;
  GridBatch batch;
  batch.stays = stays;
  batch.events = events.time.numel();
  batch.variables = static_cast<std::int32_t>(spec.variables.size());
  batch.steps = static_cast<std::int32_t>(spec.steps);
  batch.step_seconds = static_cast<std::int32_t>(std::lround(spec.step * 3600));
  batch.step_hours = static_cast<float>(batch.step_seconds / 3600.0);
  batch.wide_time = events.time.scalar_type() == at::kDouble;
  batch.wide_variable = events.variable.scalar_type() == at::kInt;
  result.cost = vitals_grid_cost(batch, sizeof(T));
  const auto offsets = buffer_of<std::int64_t>("offsets", events.offsets);
  const auto time = buffer_of<std::int32_t>("time", events.time);
  const auto variable = buffer_of<std::int16_t>("variable", events.variable);
  const auto value = buffer_of<float>("value", events.value);
  const at::Tensor no_length = at::tensor(std::vector<std::int64_t>{});
  const auto given = buffer_of<std::int64_t>("given_length", length.defined() ? length : no_length);
  const simt::Buffer<GridColumn> columns("columns",
                                         grid_columns(spec.variables, batch.step_seconds));
  const auto cells = static_cast<std::size_t>(grid.values.numel());
  const simt::Buffer<T> values("values", cells);
  const simt::Buffer<float> mask("mask", cells), delta("delta", cells);
  const simt::Buffer<std::int64_t> made_length("length", static_cast<std::size_t>(stays));
  const simt::Buffer<std::int32_t> counts("counts", static_cast<std::size_t>(grid.counts.numel()));
  GridArrays arrays{offsets.data(), time.data(),        variable.data(), value.data(),
                    nullptr,        columns.data(),     values.data(),   mask.data(),
                    delta.data(),   made_length.data(), counts.data()};
  if (length.defined()) arrays.given_length = given.data();
  result.report =
      simt::launch(vitals_grid_shape(batch), {.seed = order}, vitals_grid_kernel<T>, batch, arrays);
  copy_out(values, grid.values);
  copy_out(mask, grid.mask);
  copy_out(delta, grid.delta);
  copy_out(made_length, grid.length);
  copy_out(counts, grid.counts);
  return result;
}

VitalsGridSpec mixed_spec(int variables, std::int64_t steps, at::ScalarType type = at::kFloat) {
  VitalsGridSpec spec;
  spec.variables = mixed_variables(variables);
  spec.steps = steps;
  spec.dtype = type;
  return spec;
}

TEST(VitalsGridBodyTest, HasTheBitsOfTheCpuAroundEveryTileEdge) {
  const struct {
    int variables, events;
    std::int64_t steps;
  } sizes[] = {{1, 40, 1},  {7, 33, 31},  {8, 64, 32},  {9, 100, 33}, {3, 300, 64},
               {2, 90, 65}, {63, 200, 4}, {64, 200, 5}, {65, 200, 6}, {130, 90, 34}};
  for (const bool sorted : {true, false}) {
    for (const auto& size : sizes) {
      const VitalsGridSpec spec = mixed_spec(size.variables, size.steps);
      const RandomStays wanted = {4, size.events, size.variables, static_cast<double>(size.steps),
                                  sorted};
      SCOPED_TRACE(print_case(wanted, spec));
      const VitalsEvents events = events_of(random_stays(wanted));
      expect_same_bits(emulate<float>(events, spec).grid, vitals_grid(events, spec));
    }
  }
}

TEST(VitalsGridBodyTest, MatchesTheFloat64Reference) {
  for (const bool sorted : {true, false}) {
    const VitalsGridSpec spec = mixed_spec(13, 40);
    const RandomStays wanted = {6, 250, 13, 40, sorted, 5};
    const Stays stays = random_stays(wanted);
    SCOPED_TRACE(print_case(wanted, spec));
    expect_reference(emulate<float>(events_of(stays), spec).grid, stays, spec);
  }
}

template <typename T>
class VitalsGridTypeTest : public ::testing::Test {};
using Types = ::testing::Types<float, Half, BFloat16>;
TYPED_TEST_SUITE(VitalsGridTypeTest, Types);

TYPED_TEST(VitalsGridTypeTest, HasTheBitsOfTheCpuForEveryTypeOfInput) {
  const VitalsGridSpec spec = mixed_spec(11, 36, kType<TypeParam>);
  const Stays stays = random_stays({4, 120, 11, 36});
  for (const auto time : {at::kFloat, at::kDouble}) {
    for (const auto variable : {at::kShort, at::kInt}) {
      const VitalsEvents events = events_of(stays, time, variable);
      expect_same_bits(emulate<TypeParam>(events, spec).grid, vitals_grid(events, spec));
    }
  }
}

TEST(VitalsGridBodyTest, HasTheBitsOfTheCpuForGivenLengths) {
  const VitalsGridSpec spec = mixed_spec(10, 70);
  const at::Tensor length = at::tensor(std::vector<std::int64_t>{70, 0, -3, 32, 33, 1000});
  for (const bool sorted : {true, false}) {
    const VitalsEvents events = events_of(random_stays({6, 200, 10, 70, sorted, 3}));
    expect_same_bits(emulate<float>(events, spec, length).grid, vitals_grid(events, spec, length));
  }
}

TEST(VitalsGridBodyTest, OrderOfThreadsAndBlocksDoesNotMatter) {
  const VitalsGridSpec spec = mixed_spec(9, 40);
  const VitalsEvents events = events_of(random_stays({3, 90, 9, 40, false}));
  const VitalsGrid first = emulate<float>(events, spec).grid;
  for (std::uint64_t order = 2; order < 5; ++order) {
    expect_same_bits(first, emulate<float>(events, spec, {}, order).grid);
  }
}

TEST(VitalsGridBodyTest, WrongOffsetsLeadNowhere) {
  const VitalsGridSpec spec = mixed_spec(4, 20);
  VitalsEvents events = events_of(random_stays({2, 60, 4, 20}));
  const std::int64_t most = events.time.numel();
  events.offsets = at::tensor(std::vector<std::int64_t>{-5, most + 9, 3, most});
  const VitalsGrid grid = emulate<float>(events, spec).grid;
  EXPECT_EQ(grid.mask.select(0, 1).sum().item<double>(), 0);  // descends: an empty stay
  VitalsEvents clamped = events;
  clamped.offsets = at::tensor(std::vector<std::int64_t>{0, most, most, most});
  EXPECT_TRUE(same_bits(grid.values[0], vitals_grid(clamped, spec).values[0]));
}

TEST(VitalsGridBodyTest, ReadsEachValueOnceAndWritesEachResultOnce) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: bytes are not counted";
  constexpr int kVariables = 37;
  VitalsGridSpec spec;
  spec.variables.resize(kVariables);
  spec.steps = 70;
  Stays stays = random_stays({3, 400, kVariables - 1, 70, true, 9});
  for (auto& stay : stays) {
    std::erase_if(stay, [](const auto& e) { return e.variable < 0 || e.variable >= kVariables; });
  }
  const VitalsEvents events = events_of(stays, at::kFloat);
  const Emulated made = emulate<float>(events, spec);
  auto traffic = made.report.traffic;
  const auto rows = static_cast<std::uint64_t>(events.time.numel());
  // In order of time, tiles share no rows: a warp per variable looks at every number of a variable.
  EXPECT_EQ(traffic.at("variable").bytes_read, rows * kVariables * sizeof(std::int16_t));
  EXPECT_EQ(traffic.at("value").bytes_read, rows * sizeof(float));
  EXPECT_EQ(traffic.at("value").elements_read, rows);
  // The survey reads each time and its neighbour, the gathering each once more, and each tile but
  // the last of a stay is found by a binary search of every thread.
  EXPECT_LE(traffic.at("time").bytes_read, (3 * rows + 3 * 2 * 256 * 10) * sizeof(float));
  const std::uint64_t cells = made.grid.values.numel();
  for (const char* name : {"values", "mask", "delta"}) {
    EXPECT_EQ(traffic.at(name).bytes_written, cells * sizeof(float)) << name;
    EXPECT_EQ(traffic.at(name).bytes_read, 0u) << name;
  }
  EXPECT_EQ(traffic.at("counts").bytes_written, made.grid.counts.nbytes());
}

TEST(VitalsGridCostTest, IsWhatTheBodyReadsAndWrites) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: bytes are not counted";
  VitalsGridSpec spec;
  spec.variables.resize(37);
  spec.steps = 70;
  spec.dtype = at::kHalf;
  Stays stays = random_stays({3, 400, 36, 70, true, 9});
  for (auto& stay : stays) {
    std::erase_if(stay, [](const auto& e) { return e.variable < 0 || e.variable >= 37; });
  }
  const Emulated made = emulate<Half>(events_of(stays, at::kFloat), spec);
  const auto& traffic = made.report.traffic;
  double read = 0, written = 0;
  for (const auto& [name, bytes] :
       std::vector<std::pair<const char*, std::size_t>>{{"offsets", 8},
                                                        {"time", 4},
                                                        {"variable", 2},
                                                        {"value", 4},
                                                        {"columns", sizeof(GridColumn)}}) {
    read += static_cast<double>(bytes * traffic.at(name).elements_read);
  }
  for (const char* name : {"values", "mask", "delta", "length", "counts"}) {
    written += static_cast<double>(traffic.at(name).bytes_written);
  }
  EXPECT_EQ(made.cost.bytes_read, read);
  EXPECT_EQ(made.cost.bytes_written, written);
}

TEST(VitalsGridBodyTest, UnsortedRowsAreReadOncePerTile) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: bytes are not counted";
  VitalsGridSpec spec = mixed_spec(5, 96);
  Stays stays = {{{90, 0, 1}, {3, 1, 2}, {95, 2, 3}}};
  const Emulated made = emulate<float>(events_of(stays), spec);
  EXPECT_EQ(made.report.traffic.at("variable").bytes_read, 3u * 3 * 5 * sizeof(std::int16_t));
}

}  // namespace
}  // namespace salus::kernels
