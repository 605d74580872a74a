#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/device_tensor.h"
#include "tests/support/simt/simt.h"

// A two-stage cp.async pipeline that is right, and the same with one fault planted.
namespace salus::kernels {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

enum class Fault {
  kNone,
  kMissingWait,
  kWaitForTooFew,
  kNoBarrierAfterWait,
  kNoBarrierBeforeReuse,
  kMisalignedSource,
  kMisalignedDestination,
  kToGlobal,
  kStoreInFlight,
};

constexpr int kSteps = 6;
constexpr int kStageInts = 64 * 4;
constexpr LaunchShape kShape{.grid = {2}, .block = {64}};

// Each block adds up, over kSteps tiles of 1 KB, what its mirror thread copied; tiles from `valid`
// on count as zeros.
__global__ void pipeline_kernel(Fault planted, const int* in, int valid, int* out) {
  SALUS_SHARED(int, stages, [2 * kStageInts + 4]);
  const int self = static_cast<int>(threadIdx.x);
  const auto start = [&](int step) {
    const int* from = in + step * kStageInts + self * 4;
    int* to = stages + step % 2 * kStageInts + self * 4;
    if (planted == Fault::kMisalignedSource) from += 1;
    if (planted == Fault::kMisalignedDestination) to += 1;
    if (step < kSteps) {
      copy_async16(planted == Fault::kToGlobal ? out : to, from, step < valid);
      if (planted == Fault::kStoreInFlight && step == 1) to[2] = 0;
    }
    copy_async_commit();
  };
  start(0);
  int sum = 0;
  for (int step = 0; step < kSteps; ++step) {
    start(step + 1);
    if (planted == Fault::kWaitForTooFew) {
      copy_async_wait<2>();
    } else if (planted != Fault::kMissingWait) {
      copy_async_wait<1>();
    }
    if (planted != Fault::kNoBarrierAfterWait) __syncthreads();
    const int* mirror = stages + step % 2 * kStageInts + (63 - self) * 4;
    for (int i = 0; i < 4; ++i) sum += mirror[i];
    if (planted != Fault::kNoBarrierBeforeReuse) __syncthreads();
  }
  out[blockIdx.x * 64 + threadIdx.x] = sum;
}

struct Outcome {
  std::string message;
  std::vector<int> sums;
  simt::Report report;
};

std::vector<int> ascending(int n) {
  std::vector<int> values(n);
  for (int i = 0; i < n; ++i) values[i] = i;
  return values;
}

Outcome run(Fault planted, int valid = kSteps, std::uint64_t seed = 1) {
  const simt::Buffer<int> in("in", ascending(kSteps * kStageInts + 4));
  const simt::Buffer<int> out("out", 128);
  Outcome outcome;
  try {
    outcome.report = simt::launch(kShape, {.seed = seed}, pipeline_kernel, planted, in.data(),
                                  valid, out.data());
  } catch (const simt::Failure& failure) {
    outcome.message = failure.what();
  }
  outcome.sums.assign(out.begin(), out.end());
  return outcome;
}

int expected_sum(int thread, int valid) {
  int sum = 0;
  for (int step = 0; step < valid; ++step) {
    for (int i = 0; i < 4; ++i) sum += step * kStageInts + (63 - thread % 64) * 4 + i;
  }
  return sum;
}

TEST(SimtAsyncCopyTest, DataArrivesAtTheWaitAndBarrier) {
  for (std::uint64_t seed = 1; seed < 5; ++seed) {
    const Outcome outcome = run(Fault::kNone, kSteps, seed);
    ASSERT_EQ(outcome.message, "");
    for (int i = 0; i < 128; ++i) ASSERT_EQ(outcome.sums[i], expected_sum(i, kSteps));
  }
}

TEST(SimtAsyncCopyTest, InvalidCopiesGiveZerosAndReadNothing) {
  const Outcome outcome = run(Fault::kNone, 2);
  ASSERT_EQ(outcome.message, "");
  for (int i = 0; i < 128; ++i) ASSERT_EQ(outcome.sums[i], expected_sum(i, 2));
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: bytes are not counted";
  EXPECT_EQ(outcome.report.traffic.at("in").bytes_read, 2u * 2 * kStageInts * sizeof(int));
  EXPECT_EQ(outcome.report.traffic.at("in").widest, 16u);
  EXPECT_EQ(outcome.report.traffic.at("stages").bytes_written,
            2u * kSteps * kStageInts * sizeof(int));
}

TEST(SimtAsyncCopyFaultTest, MisalignedOrMisplacedCopiesAreCaught) {
  EXPECT_THAT(run(Fault::kMisalignedSource).message,
              AllOf(HasSubstr("Misaligned"), HasSubstr("copy_async16"), HasSubstr("'in'[")));
  EXPECT_THAT(run(Fault::kMisalignedDestination).message,
              AllOf(HasSubstr("Misaligned"), HasSubstr("'stages'[")));
  EXPECT_THAT(run(Fault::kToGlobal).message, HasSubstr("Wrong space"));
}

TEST(SimtAsyncCopyFaultTest, AMissingWaitIsCaught) {
  for (const Fault planted : {Fault::kMissingWait, Fault::kWaitForTooFew}) {
    const Outcome outcome = run(planted);
    if (simt::counts_accesses()) {
      EXPECT_THAT(outcome.message, AllOf(HasSubstr("In flight"), HasSubstr("'stages'[")));
    } else {
      EXPECT_NE(outcome.sums[0], expected_sum(0, kSteps));
    }
  }
}

TEST(SimtAsyncCopyFaultTest, AMissingBarrierOrAStoreUnderTheCopyIsCaught) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: races are not checked";
  // Whoever reads before the other thread's wait meets the copy, whoever reads after it the race.
  EXPECT_THAT(run(Fault::kNoBarrierAfterWait).message, HasSubstr("'stages'["));
  EXPECT_THAT(run(Fault::kNoBarrierBeforeReuse).message, HasSubstr("'stages'["));
  EXPECT_THAT(run(Fault::kStoreInFlight).message, HasSubstr("In flight"));
}

}  // namespace
}  // namespace salus::kernels
