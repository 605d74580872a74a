#include <gtest/gtest.h>

#include <vector>

#include "tests/support/simt/row_sum.cuh"
#include "tests/support/simt/simt.h"

// The worked example of kernels/device.h.
namespace salus::kernels {
namespace {

template <typename T>
class SimtExampleTest : public ::testing::Test {};
using Types = ::testing::Types<float, Half, BFloat16>;
TYPED_TEST_SUITE(SimtExampleTest, Types);

TYPED_TEST(SimtExampleTest, RowSumsAreRightInEveryOrderOfThreads) {
  constexpr int kRows = 3;
  constexpr int kColumns = 300;
  std::vector<TypeParam> values;
  std::vector<float> expected(kRows, 0.0f);
  for (int i = 0; i < kRows * kColumns; ++i) {
    values.push_back(from_float<TypeParam>(static_cast<float>(i % 17)));
    expected[i / kColumns] += static_cast<float>(i % 17);
  }
  const simt::Buffer<TypeParam> rows("rows", values);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const simt::Buffer<float> sums("sums", kRows);
    simt::launch(row_sum_shape(kRows), {.seed = seed}, row_sum_kernel<TypeParam>, rows.data(),
                 sums.data(), kColumns);
    EXPECT_EQ(std::vector<float>(sums.begin(), sums.end()), expected) << "seed " << seed;
  }
}

TYPED_TEST(SimtExampleTest, EachElementIsReadOnceAndNothingElseMoves) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: bytes are not counted";
  const simt::Buffer<TypeParam> rows("rows", std::vector<TypeParam>(5 * 256));
  const simt::Buffer<float> sums("sums", 5);
  const simt::Report report =
      simt::launch(row_sum_shape(5), {}, row_sum_kernel<TypeParam>, rows.data(), sums.data(), 256);
  EXPECT_EQ(report.traffic.at("rows").bytes_read, 5 * 256 * sizeof(TypeParam));
  EXPECT_EQ(report.traffic.at("rows").elements_read, 5u * 256);
  EXPECT_EQ(report.traffic.at("rows").bytes_written, 0u);
  EXPECT_EQ(report.traffic.at("sums").bytes_written, 5 * sizeof(float));
  EXPECT_EQ(report.traffic.at("partial").bytes_written, 5 * 4 * sizeof(float));
  EXPECT_EQ(report.traffic.at("partial").bytes_read, 5 * 4 * sizeof(float));
  EXPECT_EQ(report.shared.at("partial"), 4 * sizeof(float));
  EXPECT_EQ(report.barriers, 5u);
}

}  // namespace
}  // namespace salus::kernels
