#include <gtest/gtest.h>

#include <algorithm>
#include <type_traits>
#include <vector>

#include "tests/support/simt/simt.h"

// Every atomic of every type that CUDA has it for, in global and in shared memory. The results that
// many threads leave behind do not depend on their order; what each of them got does, but as a set.
namespace salus::kernels {
namespace {

constexpr LaunchShape kShape{.grid = {3}, .block = {50}};
constexpr unsigned kThreads = 150;

__device__ unsigned global_thread() { return blockIdx.x * blockDim.x + threadIdx.x; }

template <typename T>
struct Totals {
  T sum, lowest, highest, common, any, odd, exchanged, counted;
};

/// What threads 0 to n - 1 do to totals that begin as {0, 99, 0, all ones, 0, 0, 0, 0}.
template <typename T>
__device__ void update(Totals<T>* totals, unsigned thread) {
  const T value = static_cast<T>(thread);
  if constexpr (!std::is_same_v<T, long long>) {
    atomicAdd(&totals->sum, value);
    atomicExch(&totals->exchanged, value);
    T seen = 0;
    while (atomicCAS(&totals->counted, seen, seen + 1) != seen) ++seen;
  }
  atomicMin(&totals->lowest, static_cast<T>(99 - value));
  atomicMax(&totals->highest, value);
  atomicAnd(&totals->common, static_cast<T>(~(T{1} << thread % 31)));
  atomicOr(&totals->any, static_cast<T>(T{1} << thread % 31));
  atomicXor(&totals->odd, value);
}

template <typename T>
__global__ void global_totals(Totals<T>* totals) {
  update(totals, global_thread());
}

template <typename T>
__global__ void shared_totals(Totals<T>* totals) {
  SALUS_SHARED(Totals<T>, own, [1]);
  if (threadIdx.x == 0) own[0] = {0, 99, 0, static_cast<T>(-1), 0, 0, 0, 0};
  __syncthreads();
  update(own, threadIdx.x);
  __syncthreads();
  if (threadIdx.x == 0) totals[blockIdx.x] = own[0];
}

template <typename T>
void expect_totals(const Totals<T>& totals, unsigned n) {
  T odd = 0, any = 0;
  for (unsigned i = 0; i < n; ++i) odd ^= static_cast<T>(i), any |= static_cast<T>(T{1} << i % 31);
  if constexpr (!std::is_same_v<T, long long>) {
    EXPECT_EQ(totals.sum, static_cast<T>(n * (n - 1) / 2));
    EXPECT_LT(totals.exchanged, static_cast<T>(n));
    EXPECT_EQ(totals.counted, static_cast<T>(n));
  }
  EXPECT_EQ(totals.lowest, static_cast<T>(100 - n));
  EXPECT_EQ(totals.highest, static_cast<T>(n - 1));
  EXPECT_EQ(totals.common, static_cast<T>(~any));
  EXPECT_EQ(totals.any, any);
  EXPECT_EQ(totals.odd, odd);
}

template <typename T>
class SimtAtomicTest : public ::testing::Test {};
using Integers = ::testing::Types<int, unsigned, long long, unsigned long long>;
TYPED_TEST_SUITE(SimtAtomicTest, Integers);

TYPED_TEST(SimtAtomicTest, InGlobalMemoryEveryThreadCounts) {
  using T = TypeParam;
  const Totals<T> start{0, 99, 0, static_cast<T>(-1), 0, 0, 0, 0};
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const simt::Buffer<Totals<T>> totals("totals", std::vector<Totals<T>>{start});
    simt::launch({.grid = {2}, .block = {50}}, {.seed = seed}, global_totals<T>, totals.data());
    expect_totals(totals[0], 100);
  }
}

TYPED_TEST(SimtAtomicTest, InSharedMemoryEveryThreadOfTheBlockCounts) {
  using T = TypeParam;
  const simt::Buffer<Totals<T>> totals("totals", 3);
  simt::launch(kShape, {.seed = 9}, shared_totals<T>, totals.data());
  for (const Totals<T>& block : totals) expect_totals(block, 50);
}

template <typename T>
__global__ void add_halves(T* sum, T* seen) {
  seen[global_thread()] = atomicAdd(sum, static_cast<T>(0.5));
}

TEST(SimtFloatAtomicTest, SumsOfFloatsAndDoublesReturnWhatWasThere) {
  const simt::Buffer<float> sum("sum", std::vector<float>{1});
  const simt::Buffer<float> seen("seen", kThreads);
  simt::launch(kShape, {.seed = 4}, add_halves<float>, sum.data(), seen.data());
  EXPECT_EQ(sum[0], 1 + 0.5F * kThreads);
  std::sort(seen.begin(), seen.end());
  for (unsigned i = 0; i < kThreads; ++i) EXPECT_EQ(seen[i], 1 + 0.5F * static_cast<float>(i));
  const simt::Buffer<double> wide("wide", std::vector<double>{1e-9});
  const simt::Buffer<double> before("before", kThreads);
  simt::launch(kShape, {.seed = 4}, add_halves<double>, wide.data(), before.data());
  EXPECT_EQ(wide[0], 0.5 * kThreads + 1e-9);
}

__global__ void wrap_around(unsigned* counters, unsigned* tickets) {
  tickets[global_thread()] = atomicInc(&counters[0], 9);
  atomicDec(&counters[1], 6);
  atomicSub(&counters[2], 2u);
}

TEST(SimtCounterAtomicTest, CountersWrapWhereTheGuideSays) {
  const simt::Buffer<unsigned> counters("counters", std::vector<unsigned>{0, 1000, 1});
  const simt::Buffer<unsigned> tickets("tickets", kThreads);
  simt::launch(kShape, {.seed = 2}, wrap_around, counters.data(), tickets.data());
  EXPECT_EQ(counters[0], 0u) << "150 steps in a ring of 10";
  EXPECT_EQ(counters[1], 6 - (kThreads - 1) % 7) << "1000 is above 6 and becomes 6 first";
  EXPECT_EQ(counters[2], 1 - 2 * kThreads);
  std::sort(tickets.begin(), tickets.end());
  for (unsigned i = 0; i < kThreads; ++i) EXPECT_EQ(tickets[i], i / 15);
}

__global__ void claim(unsigned short* owner, float* last, int* most) {
  const int thread = static_cast<int>(global_thread());
  const bool first = atomicCAS(owner, static_cast<unsigned short>(7),
                               static_cast<unsigned short>(1000 + thread)) == 7;
  if (first) atomicExch(last, static_cast<float>(thread));
  atomicAdd(most, thread == 0 ? 2147483647 : 1);
}

TEST(SimtCounterAtomicTest, OneThreadWinsAndIntegersWrap) {
  const simt::Buffer<unsigned short> owner("owner", std::vector<unsigned short>{7});
  const simt::Buffer<float> last("last", std::vector<float>{-1});
  const simt::Buffer<int> most("most", std::vector<int>{0});
  simt::launch(kShape, {.seed = 6}, claim, owner.data(), last.data(), most.data());
  EXPECT_EQ(static_cast<float>(owner[0] - 1000), last[0]);
  EXPECT_EQ(most[0], -2147483647 - 1 + 148);
}

}  // namespace
}  // namespace salus::kernels
