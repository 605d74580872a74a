#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/simt/simt.h"

// Each kernel here has one fault planted, and the emulator must name it. The healthy twin of a
// faulty kernel passes, so that a check which always fails cannot pass here.
namespace salus::kernels {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr LaunchShape kOneBlock{.grid = {1}, .block = {64}};

/// The message of the fault, or "" if the launch passes.
template <typename Kernel, typename... Arguments>
std::string fault(const LaunchShape& shape, Kernel kernel, Arguments... arguments) {
  try {
    simt::launch(shape, {.seed = 3}, kernel, arguments...);
  } catch (const simt::Failure& failure) {
    return failure.what();
  }
  return "";
}

std::vector<int> ascending(int n) {
  std::vector<int> values(n);
  for (int i = 0; i < n; ++i) values[i] = i;
  return values;
}

template <bool kBarrier>
__global__ void reverse_kernel(const int* in, int* out) {
  SALUS_SHARED(int, tile, [64]);
  tile[threadIdx.x] = in[threadIdx.x];
  if (kBarrier) __syncthreads();
  out[threadIdx.x] = tile[63 - threadIdx.x];
}

TEST(SimtFaultTest, MissingBarrierIsCaught) {
  const simt::Buffer<int> in("in", ascending(64));
  const simt::Buffer<int> out("out", 64);
  EXPECT_EQ(fault(kOneBlock, reverse_kernel<true>, in.data(), out.data()), "");
  for (int i = 0; i < 64; ++i) EXPECT_EQ(out[i], 63 - i);
  const std::string message = fault(kOneBlock, reverse_kernel<false>, in.data(), out.data());
  if (simt::counts_accesses()) {
    EXPECT_THAT(message, AllOf(HasSubstr("thread"), HasSubstr("'tile'[")));
  } else {
    int wrong = 0;
    for (int i = 0; i < 64; ++i) wrong += out[i] != 63 - i ? 1 : 0;
    EXPECT_GT(wrong, 0);
  }
}

// Every thread writes before any reads back: no order of threads shows a wrong result.
__global__ void hidden_race_kernel(int* out) {
  SALUS_SHARED(int, total, [1]);
  if (threadIdx.x == 0) total[0] = 0;
  __syncthreads();
  total[0] = 7;
  __syncthreads();
  out[threadIdx.x] = total[0];
}

TEST(SimtFaultTest, RaceThatNeverChangesTheResultIsCaught) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: races are not checked";
  const simt::Buffer<int> out("out", 64);
  EXPECT_THAT(fault(kOneBlock, hidden_race_kernel, out.data()),
              AllOf(HasSubstr("Race"), HasSubstr("'total'[0]"), HasSubstr("no barrier")));
}

__global__ void divergent_kernel(int* out) {
  if (threadIdx.x < 40) {
    __syncthreads();
  } else {
    out[threadIdx.x] = 1;
    __syncthreads();
  }
}

__global__ void early_exit_kernel(int* out) {
  if (threadIdx.x == 63) return;
  __syncthreads();
  out[threadIdx.x] = 1;
}

TEST(SimtFaultTest, DivergentBarrierIsCaughtWithBothLines) {
  const simt::Buffer<int> out("out", 64);
  const std::string message = fault(kOneBlock, divergent_kernel, out.data());
  EXPECT_THAT(message, MatchesRegex("Divergent barrier: .*planted_faults_simt_test.cpp:[0-9]+.*"
                                    "planted_faults_simt_test.cpp:[0-9]+.*"));
}

TEST(SimtFaultTest, BarrierAfterAnEarlyExitIsCaught) {
  const simt::Buffer<int> out("out", 64);
  EXPECT_THAT(fault(kOneBlock, early_exit_kernel, out.data()),
              AllOf(HasSubstr("Divergent barrier"), HasSubstr("left the kernel")));
}

__global__ void deadlock_kernel(int* out) {
  if (threadIdx.x % 32 == 0) {
    __syncthreads();
  } else {
    __syncwarp();
  }
  out[threadIdx.x] = 1;
}

TEST(SimtFaultTest, DeadlockIsCaughtAndNamesWhoWaitsWhere) {
  const simt::Buffer<int> out("out", 64);
  EXPECT_THAT(fault(kOneBlock, deadlock_kernel, out.data()),
              AllOf(HasSubstr("Deadlock"), HasSubstr("2 threads wait in __syncthreads"),
                    HasSubstr("62 threads wait in __syncwarp")));
}

__global__ void store_at_kernel(int* out, int index) {
  if (threadIdx.x == 0) out[index] = 1;
}

__global__ void load_at_kernel(const int* in, int* out, int index) {
  if (threadIdx.x == 0) out[0] = in[index];
}

TEST(SimtFaultTest, OverrunIsCaughtOnBothSides) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "AddressSanitizer would stop the program";
  const simt::Buffer<int> in("in", ascending(10));
  const simt::Buffer<int> out("out", 10);
  EXPECT_EQ(fault(kOneBlock, store_at_kernel, out.data(), 9), "");
  EXPECT_THAT(fault(kOneBlock, store_at_kernel, out.data(), 10),
              AllOf(HasSubstr("Out of bounds"), HasSubstr("writes 4 bytes at 'out'[10]")));
  EXPECT_THAT(fault(kOneBlock, store_at_kernel, out.data(), -1), HasSubstr("'out'[-1]"));
  EXPECT_THAT(fault(kOneBlock, load_at_kernel, in.data(), out.data(), 12),
              HasSubstr("reads 4 bytes at 'in'[12]"));
}

__global__ void shared_overrun_kernel(int* out, int index) {
  SALUS_SHARED(int, tile, [64]);
  tile[threadIdx.x + index] = 1;
  __syncthreads();
  out[threadIdx.x] = tile[threadIdx.x];
}

TEST(SimtFaultTest, OverrunOfSharedMemoryIsCaught) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "AddressSanitizer would stop the program";
  const simt::Buffer<int> out("out", 64);
  EXPECT_EQ(fault(kOneBlock, shared_overrun_kernel, out.data(), 0), "");
  EXPECT_THAT(fault(kOneBlock, shared_overrun_kernel, out.data(), 1), HasSubstr("'tile'[64]"));
}

TEST(SimtFaultTest, AccessToUnregisteredMemoryIsCaught) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "accesses are not seen under a sanitizer";
  const simt::Buffer<int> out("out", 1);
  const std::vector<int> host = ascending(4);
  EXPECT_THAT(fault(kOneBlock, load_at_kernel, host.data(), out.data(), 0),
              HasSubstr("Out of bounds"));
}

TEST(SimtFaultTest, ReadOfUninitialisedGlobalMemoryIsCaught) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "accesses are not seen under a sanitizer";
  const simt::Buffer<int> in("in", 4);
  const simt::Buffer<int> out("out", 4);
  EXPECT_THAT(fault(kOneBlock, load_at_kernel, in.data(), out.data(), 2),
              AllOf(HasSubstr("Uninitialised"), HasSubstr("'in'[2]")));
}

// The value of the block before is no value: shared memory starts anew.
__global__ void stale_shared_kernel(int* out) {
  SALUS_SHARED(int, left_over, [1]);
  if (blockIdx.x == 0 && threadIdx.x == 0) left_over[0] = 5;
  if (blockIdx.x != 0 && threadIdx.x == 0) out[blockIdx.x] = left_over[0];
}

TEST(SimtFaultTest, ReadOfTheSharedMemoryOfAnEarlierBlockIsCaught) {
  const simt::Buffer<int> out("out", 2);
  const std::string message = fault({.grid = {2}, .block = {32}}, stale_shared_kernel, out.data());
  if (simt::counts_accesses()) {
    EXPECT_THAT(message, AllOf(HasSubstr("Uninitialised"), HasSubstr("'left_over'[0]")));
  } else {
    EXPECT_EQ(out[1], -1) << "poison";
  }
}

__global__ void shuffle_with_mask_kernel(int* out, unsigned mask) {
  out[threadIdx.x] = __shfl_sync(mask, static_cast<int>(threadIdx.x), 0);
}

__global__ void shuffle_from_outside_kernel(int* out) {
  if (threadIdx.x < 8) out[threadIdx.x] = __shfl_sync(0xffu, static_cast<int>(threadIdx.x), 9);
}

__global__ void unequal_masks_kernel(int* out) {
  const unsigned mask = threadIdx.x < 16 ? 0xffffu : 0xffffffffu;
  out[threadIdx.x] = __shfl_xor_sync(mask, 1, 1);
}

TEST(SimtFaultTest, WrongMasksAreCaught) {
  const LaunchShape warp{.grid = {1}, .block = {32}};
  const simt::Buffer<int> out("out", 32);
  EXPECT_EQ(fault(warp, shuffle_with_mask_kernel, out.data(), kAllLanes), "");
  EXPECT_THAT(fault(warp, shuffle_with_mask_kernel, out.data(), 0x0000ffffu),
              AllOf(HasSubstr("Wrong mask"), HasSubstr("not in its own mask 0x0000ffff")));
  EXPECT_THAT(fault(warp, shuffle_from_outside_kernel, out.data()),
              HasSubstr("shuffles from lane 9, which is not in the mask"));
  EXPECT_THAT(fault(warp, unequal_masks_kernel, out.data()), HasSubstr("Wrong mask"));
  EXPECT_THAT(fault({.grid = {1}, .block = {20}}, shuffle_with_mask_kernel, out.data(), kAllLanes),
              HasSubstr("names lane 20, which the block does not have"));
}

__global__ void exited_lane_kernel(int* out) {
  if (threadIdx.x >= 30) return;
  out[threadIdx.x] = __shfl_down_sync(kAllLanes, 1, 1);
}

TEST(SimtFaultTest, ExitedLaneNamedInAMaskIsCaught) {
  const simt::Buffer<int> out("out", 32);
  EXPECT_THAT(fault({.grid = {1}, .block = {32}}, exited_lane_kernel, out.data()),
              AllOf(HasSubstr("Exited lane in a mask"), HasSubstr("left the kernel")));
}

__global__ void first_lanes_exit_kernel(int* out) {
  if (threadIdx.x < 2) return;
  out[threadIdx.x] = __shfl_down_sync(kAllLanes, 1, 1);
}

TEST(SimtFaultTest, ExitedLaneNamedInAMaskIsCaughtWhoeverComesFirst) {
  const simt::Buffer<int> out("out", 32);
  const auto message = [&](auto kernel) -> std::string {
    try {  // in ascending order
      simt::launch({.grid = {1}, .block = {32}}, {.shuffle = false}, kernel, out.data());
    } catch (const simt::Failure& failure) {
      return failure.what();
    }
    return "";
  };
  EXPECT_THAT(message(first_lanes_exit_kernel),
              AllOf(HasSubstr("names lane 0, which has left"), HasSubstr("thread (2,0,0)")));
  EXPECT_THAT(message(exited_lane_kernel), HasSubstr("names lane 30, which has left"));
}

template <bool kAtomic>
__global__ void count_blocks_kernel(int* count) {
  if (threadIdx.x != 0) return;
  if (kAtomic) {
    atomicAdd(count, 1);
  } else {
    *count = *count + 1;
  }
}

TEST(SimtFaultTest, RaceBetweenBlocksIsCaught) {
  const LaunchShape shape{.grid = {9}, .block = {32}};
  const simt::Buffer<int> count("count", std::vector<int>{0});
  EXPECT_EQ(fault(shape, count_blocks_kernel<true>, count.data()), "");
  EXPECT_EQ(count[0], 9);
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: races are not checked";
  EXPECT_THAT(fault(shape, count_blocks_kernel<false>, count.data()),
              AllOf(HasSubstr("Race"), HasSubstr("'count'[0]"), HasSubstr("two blocks")));
}

template <bool kSync>
__global__ void warp_exchange_kernel(int* out) {
  SALUS_SHARED(int, slot, [32]);
  slot[threadIdx.x] = static_cast<int>(threadIdx.x);
  if (kSync) __syncwarp();
  out[threadIdx.x] = slot[threadIdx.x ^ 1];
}

TEST(SimtFaultTest, WarpSyncOrdersMemoryAndItsAbsenceIsARace) {
  const LaunchShape warp{.grid = {1}, .block = {32}};
  const simt::Buffer<int> out("out", 32);
  EXPECT_EQ(fault(warp, warp_exchange_kernel<true>, out.data()), "");
  for (int i = 0; i < 32; ++i) EXPECT_EQ(out[i], i ^ 1);
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: races are not checked";
  EXPECT_THAT(fault(warp, warp_exchange_kernel<false>, out.data()), HasSubstr("'slot'["));
}

__global__ void copy128_kernel(const float* in, float* out, int offset) {
  const int i = static_cast<int>(threadIdx.x) * 4;
  store128(out + i, load128(in + offset + i));
}

TEST(SimtFaultTest, MisalignedVectorLoadIsCaught) {
  const simt::Buffer<float> in("in", std::vector<float>(260, 2.5f));
  const simt::Buffer<float> out("out", 256);
  EXPECT_EQ(fault(kOneBlock, copy128_kernel, in.data(), out.data(), 4), "");
  EXPECT_EQ(out[255], 2.5f);
  EXPECT_THAT(fault(kOneBlock, copy128_kernel, in.data(), out.data(), 1),
              AllOf(HasSubstr("Misaligned"), HasSubstr("load128"), HasSubstr("'in'[")));
}

__global__ void pairs_kernel(const float* in, float2* out, int offset) {
  out[threadIdx.x] = *reinterpret_cast<const float2*>(in + offset + 2 * threadIdx.x);
}

TEST(SimtFaultTest, MisalignedReadThroughAWiderTypeIsCaught) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "UndefinedBehaviorSanitizer would stop the program";
  const simt::Buffer<float> in("in", std::vector<float>(130, 1.5f));
  const simt::Buffer<float2> out("out", 64);
  EXPECT_EQ(fault(kOneBlock, pairs_kernel, in.data(), out.data(), 2), "");
  EXPECT_EQ(out[63].y, 1.5f);
  EXPECT_THAT(fault(kOneBlock, pairs_kernel, in.data(), out.data(), 1),
              AllOf(HasSubstr("Misaligned"), HasSubstr("a load on 'in'["), HasSubstr("of 8")));
}

// One thread waits for what another one of its block does only after it.
__global__ void wait_for_atomic_kernel(int* flag, bool raised) {
  if (raised) atomicExch(flag, 1);
  while (atomicAdd(flag, 0) == 0) {
  }
}

__global__ void wait_for_memory_kernel(volatile int* flag) {
  while (*flag == 0) {
  }
}

TEST(SimtFaultTest, ThreadsThatWaitForEverAreCaught) {
  const simt::Options options{.patience = 5000};
  const simt::Buffer<int> flag("flag", std::vector<int>{0});
  const auto wait = [&](bool raised) {
    simt::launch(kOneBlock, options, wait_for_atomic_kernel, flag.data(), raised);
  };
  try {
    wait(false);
    ADD_FAILURE() << "nobody raises the flag";
  } catch (const simt::Failure& failure) {
    EXPECT_THAT(failure.what(), AllOf(HasSubstr("Livelock"), HasSubstr("thread (")));
  }
  EXPECT_NO_THROW(wait(true));
  if (!simt::counts_accesses()) GTEST_SKIP() << "accesses are not seen under a sanitizer";
  flag[0] = 0;
  EXPECT_THROW(simt::launch(kOneBlock, options, wait_for_memory_kernel, flag.data()),
               simt::Failure);
}

// A counter is read by one thread while others may still add to it.
template <bool kBarrier>
__global__ void early_read_kernel(int* out) {
  SALUS_SHARED(int, count, [1]);
  if (threadIdx.x == 0) count[0] = 0;
  __syncthreads();
  atomicAdd(&count[0], 1);
  if (kBarrier) __syncthreads();
  if (threadIdx.x == 5) out[0] = count[0];
}

TEST(SimtFaultTest, PlainReadOfAnAtomicCounterIsARace) {
  const simt::Buffer<int> out("out", 1);
  EXPECT_EQ(fault(kOneBlock, early_read_kernel<true>, out.data()), "");
  EXPECT_EQ(out[0], 64);
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: races are not checked";
  EXPECT_THAT(fault(kOneBlock, early_read_kernel<false>, out.data()),
              AllOf(HasSubstr("Race"), HasSubstr("'count'[0]")));
}

}  // namespace
}  // namespace salus::kernels
