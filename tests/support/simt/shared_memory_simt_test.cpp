#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/simt/simt.h"

// How much shared memory a block may have: what the device has, and what the launch has asked for.
namespace salus::kernels {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::size_t kKilobyte = 1024;

__global__ void static_kernel(float* out) {
  SALUS_SHARED(float, first, [40 * 256]);
  SALUS_SHARED(float, second, [9 * 256]);
  if (threadIdx.x == 0) first[0] = second[0] = out[0] = 1;
}

/// 1 KB is static.
__global__ void both_kernel(float* out) {
  SALUS_SHARED(float, more, [256]);
  SALUS_DYNAMIC_SHARED(float, tile);
  if (threadIdx.x == 0) more[0] = tile[0] = out[0] = 1;
}

__global__ void neither_kernel(float* out) {
  if (threadIdx.x == 0) out[0] = 1;
}

/// The message of the fault of a launch with so much dynamic shared memory, or "" if it passes.
std::string fault(void (*kernel)(float*), std::size_t bytes, const simt::Options& options = {}) {
  const simt::Buffer<float> out("out", 1);
  try {
    simt::launch({.grid = {1}, .block = {64}, .shared_bytes = bytes}, options, kernel, out.data());
  } catch (const simt::Failure& failure) {
    return failure.what();
  }
  return "";
}

TEST(SimtSharedMemoryTest, MoreStaticThanCudaAllowsIsRefused) {
  EXPECT_THAT(fault(static_kernel, 0),
              AllOf(HasSubstr("50176 bytes of static shared memory"), HasSubstr("at most 49152")));
}

TEST(SimtSharedMemoryTest, MoreThanTheDeviceHasIsRefusedStaticAndDynamicTogether) {
  EXPECT_EQ(fault(both_kernel, 226 * kKilobyte), "");
  EXPECT_THAT(fault(both_kernel, 226 * kKilobyte + 4),
              AllOf(HasSubstr("uses 232452 bytes"), HasSubstr("at most 232448")));
}

TEST(SimtSharedMemoryTest, WhatTheLaunchGivesCountsAlsoIfTheKernelNeverNamesIt) {
  EXPECT_EQ(fault(neither_kernel, 227 * kKilobyte), "");
  EXPECT_THAT(fault(neither_kernel, 228 * kKilobyte), HasSubstr("at most 232448"));
  EXPECT_THAT(fault(neither_kernel, 49 * kKilobyte, {.ask_for_shared_memory = false}),
              HasSubstr("has not asked"));
}

TEST(SimtSharedMemoryTest, ASmallerDeviceGivesLess) {
  const simt::Options a100{.most_shared_bytes = 163 * kKilobyte};
  EXPECT_EQ(fault(both_kernel, 162 * kKilobyte, a100), "");
  EXPECT_THAT(fault(both_kernel, 163 * kKilobyte, a100), HasSubstr("at most 166912"));
}

TEST(SimtSharedMemoryTest, MoreThan48KbThatNobodyAskedForIsRefused) {
  const simt::Options unasked{.ask_for_shared_memory = false};
  EXPECT_EQ(fault(both_kernel, 47 * kKilobyte, unasked), "");
  EXPECT_THAT(fault(both_kernel, 47 * kKilobyte + 4, unasked),
              AllOf(HasSubstr("uses 49156 bytes"), HasSubstr("has not asked"),
                    HasSubstr("at most 49152 unasked")));
}

TEST(SimtSharedMemoryTest, ALaunchAsksWhereOnlyBothTogetherPass48Kb) {
  EXPECT_EQ(fault(both_kernel, 47 * kKilobyte + 4), "");
  EXPECT_EQ(fault(both_kernel, 48 * kKilobyte), "");
}

}  // namespace
}  // namespace salus::kernels
