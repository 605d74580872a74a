#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "kernels/device_tensor.h"
#include "tests/support/simt/simt.h"

// Tensor cores, ldmatrix and cp.async against plain matrices and the figures of the PTX ISA; then
// the faults of their use, each beside a healthy twin.
namespace salus::kernels {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr LaunchShape kWarpShape{.grid = {1}, .block = {32}};

template <typename Kernel, typename... Arguments>
std::string fault(const LaunchShape& shape, Kernel kernel, Arguments... arguments) {
  try {
    simt::launch(shape, {.seed = 3}, kernel, arguments...);
  } catch (const simt::Failure& failure) {
    return failure.what();
  }
  return "";
}

template <typename T>
T stored(int value) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(value);
  } else {
    return from_float<T>(static_cast<float>(value));
  }
}

// One warp: c [16][8] = a [16][32 bytes] times the transpose of b [8][32 bytes], `times` times.
template <typename T>
__global__ void multiply_kernel(const T* a, const T* b, typename MmaSum<T>::type* c, int times) {
  constexpr int kK = 32 / sizeof(T);
  SALUS_SHARED(T, tile, [24 * kK]);
  for (int i = static_cast<int>(threadIdx.x); i < 16 * kK; i += 32) tile[i] = a[i];
  for (int i = static_cast<int>(threadIdx.x); i < 8 * kK; i += 32) tile[16 * kK + i] = b[i];
  __syncwarp();
  const int lane = static_cast<int>(threadIdx.x);
  std::uint32_t a_part[4];
  std::uint32_t b_part[2];
  ldmatrix<4>(a_part, tile + lane % 16 * kK + lane / 16 * kK / 2);
  ldmatrix<2>(b_part, tile + (16 + lane % 8) * kK + lane / 8 % 2 * kK / 2);
  typename MmaSum<T>::type sums[4] = {};
  for (int i = 0; i < times; ++i) mma<T>(sums, a_part, b_part);
  for (int i = 0; i < 4; ++i) c[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = sums[i];
}

template <typename T>
class SimtMmaTest : public ::testing::Test {
 protected:
  static constexpr int kK = 32 / sizeof(T);
};
using MmaTypes = ::testing::Types<Half, BFloat16, std::int8_t, float>;
TYPED_TEST_SUITE(SimtMmaTest, MmaTypes);

TYPED_TEST(SimtMmaTest, MultipliesMatricesOfWholeNumbersExactly) {
  constexpr int kK = TestFixture::kK;
  std::vector<TypeParam> a(16 * kK);
  std::vector<TypeParam> b(8 * kK);
  const auto a_at = [](int row, int k) { return (7 * row + 3 * k) % 23 - 11; };
  const auto b_at = [](int column, int k) { return (5 * column + 11 * k) % 19 - 9; };
  for (int row = 0; row < 16; ++row) {
    for (int k = 0; k < kK; ++k) a[row * kK + k] = stored<TypeParam>(a_at(row, k));
  }
  for (int column = 0; column < 8; ++column) {
    for (int k = 0; k < kK; ++k) b[column * kK + k] = stored<TypeParam>(b_at(column, k));
  }
  const simt::Buffer<TypeParam> a_buffer("a", a);
  const simt::Buffer<TypeParam> b_buffer("b", b);
  const simt::Buffer<typename MmaSum<TypeParam>::type> c("c", 16 * 8);
  simt::launch(kWarpShape, {.seed = 5}, multiply_kernel<TypeParam>, a_buffer.data(),
               b_buffer.data(), c.data(), 3);
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      int sum = 0;
      for (int k = 0; k < kK; ++k) sum += 3 * a_at(row, k) * b_at(column, k);
      ASSERT_EQ(c[row * 8 + column], sum) << row << ", " << column;
    }
  }
}

// One register of one lane of A and of B holds something; c [16][8] tells where they met.
__global__ void probe_kernel(int a_lane, int a_register, int b_lane, int b_register, int* c) {
  const int lane = static_cast<int>(threadIdx.x);
  std::uint32_t a[4] = {};
  std::uint32_t b[2] = {};
  if (lane == a_lane) a[a_register] = 0x04030201;
  if (lane == b_lane) b[b_register] = 0x01010102;
  int sums[4] = {};
  mma<std::int8_t>(sums, a, b);
  for (int i = 0; i < 4; ++i) c[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = sums[i];
}

TEST(SimtMmaLayoutTest, RegistersHoldTheRowsAndColumnsOfThePtxFigures) {
  struct Probe {
    int a_lane, a_register, b_lane, b_register, row, column;  // row -1: k does not meet
  };
  // Figures "m16n8k32 A / B": A's a0..a3 of T0 are row 0, k 0..3; a4..a7 row 8; a8..a11 row 0, k
  // 16..19; B's b0..b3 of T0 are k 0..3 of column 0, b4..b7 k 16..19; T13 is row (column) 3,
  // k 4..7.
  const Probe probes[] = {{0, 0, 0, 0, 0, 0},   {0, 1, 0, 0, 8, 0},   {0, 2, 0, 1, 0, 0},
                          {0, 3, 0, 1, 8, 0},   {13, 0, 13, 0, 3, 3}, {13, 3, 29, 1, 11, 7},
                          {31, 1, 3, 0, 15, 0}, {0, 0, 1, 0, -1, -1}, {0, 0, 0, 1, -1, -1},
                          {0, 2, 0, 0, -1, -1}, {31, 2, 31, 1, 7, 7}};
  for (const Probe& probe : probes) {
    const simt::Buffer<int> c("c", 16 * 8);
    simt::launch(kWarpShape, {}, probe_kernel, probe.a_lane, probe.a_register, probe.b_lane,
                 probe.b_register, c.data());
    for (int row = 0; row < 16; ++row) {
      for (int column = 0; column < 8; ++column) {
        const bool here = row == probe.row && column == probe.column;
        ASSERT_EQ(c[row * 8 + column], here ? 2 + 2 + 3 + 4 : 0) << probe.a_lane << probe.b_lane;
      }
    }
  }
}

TEST(SimtMmaTruncationTest, TermsBelowTheLargestOnesBitsAreLost) {
  // 1 * 1 and fifteen times 2^-12 * 2^-12: float32 adds them to 1 + 15 * 2^-24, tensor cores to 1.
  std::vector<Half> a(16 * 16, from_float<Half>(0x1p-12f));
  std::vector<Half> b(8 * 16, from_float<Half>(0x1p-12f));
  a[0] = b[0] = from_float<Half>(1);
  const simt::Buffer<Half> a_buffer("a", a);
  const simt::Buffer<Half> b_buffer("b", b);
  const simt::Buffer<float> c("c", 16 * 8);
  simt::launch(kWarpShape, {}, multiply_kernel<Half>, a_buffer.data(), b_buffer.data(), c.data(),
               1);
  EXPECT_EQ(c[0], 1.0f);
  EXPECT_EQ(c[8], 0x1p-12f + 15 * 0x1p-24f);  // 2^-12 * 1 + fifteen of 2^-24: all bits fit
  EXPECT_EQ(c[9], 16 * 0x1p-24f);
}

__global__ void round_kernel(const float* in, std::uint32_t* out) {
  out[threadIdx.x] = round_to_tf32(__float_as_uint(in[threadIdx.x]));
}

TEST(SimtMmaTruncationTest, Tf32IsRoundedToTenBitsOfFraction) {
  std::vector<float> values(32, 1);
  values[1] = 1 + 0x1p-11f;    // a tie: away from zero
  values[2] = 1 + 0x1.8p-12f;  // below the tie
  values[3] = -(1 + 0x1p-11f);
  const simt::Buffer<float> in("in", values);
  const simt::Buffer<std::uint32_t> out("out", 32);
  simt::launch(kWarpShape, {}, round_kernel, in.data(), out.data());
  EXPECT_EQ(__uint_as_float(out[0]), 1);
  EXPECT_EQ(__uint_as_float(out[1]), 1 + 0x1p-10f);
  EXPECT_EQ(__uint_as_float(out[2]), 1);
  EXPECT_EQ(__uint_as_float(out[3]), -(1 + 0x1p-10f));
}

// 32 rows of 16 bytes; element i of row r is 8 r + i.
template <int kMatrices, bool kTransposed>
__global__ void ldmatrix_kernel(std::uint32_t* out) {
  SALUS_SHARED(std::uint16_t, tile, [32 * 8]);
  for (unsigned i = threadIdx.x; i < 32 * 8; i += 32) tile[i] = static_cast<std::uint16_t>(i);
  __syncwarp();
  std::uint32_t to[kMatrices];
  const unsigned row = threadIdx.x % (8 * kMatrices);
  ldmatrix<kMatrices, kTransposed>(to, tile + row * 8);
  for (int m = 0; m < kMatrices; ++m) out[m * 32 + threadIdx.x] = to[m];
}

template <int kMatrices, bool kTransposed>
void expect_ldmatrix() {
  const simt::Buffer<std::uint32_t> out("out", 32 * kMatrices);
  simt::launch(kWarpShape, {}, ldmatrix_kernel<kMatrices, kTransposed>, out.data());
  for (int m = 0; m < kMatrices; ++m) {
    for (unsigned lane = 0; lane < 32; ++lane) {
      const unsigned row = lane / 4;
      const unsigned pair = lane % 4 * 2;
      const unsigned base = 64 * m;
      const unsigned low = base + (kTransposed ? pair * 8 + row : row * 8 + pair);
      const unsigned high = low + (kTransposed ? 8 : 1);
      ASSERT_EQ(out[m * 32 + lane], high << 16 | low) << m << ", lane " << lane;
    }
  }
}

TEST(SimtLdmatrixTest, LoadsOneTwoAndFourMatricesPlainAndTransposed) {
  expect_ldmatrix<1, false>();
  expect_ldmatrix<2, false>();
  expect_ldmatrix<4, false>();
  expect_ldmatrix<1, true>();
  expect_ldmatrix<2, true>();
  expect_ldmatrix<4, true>();
}

// The rows of a matrix `stride` 16-byte words apart, `swizzle` or not.
__global__ void strided_ldmatrix_kernel(unsigned stride, bool swizzle, std::uint32_t* out) {
  SALUS_SHARED(std::uint32_t, tile, [32 * 32]);
  for (unsigned i = threadIdx.x; i < 32 * 32; i += 32) tile[i] = i;
  __syncwarp();
  std::uint32_t to[4];
  const unsigned row = threadIdx.x;
  ldmatrix<4>(to, tile + 4 * (row * stride + (swizzle ? row % stride : 0)));
  out[threadIdx.x] = to[0] + to[1] + to[2] + to[3];
}

std::uint64_t ldmatrix_passes(unsigned stride, bool swizzle) {
  const simt::Buffer<std::uint32_t> out("out", 32);
  const auto report = simt::launch(kWarpShape, {.count_transactions = true},
                                   strided_ldmatrix_kernel, stride, swizzle, out.data());
  return report.traffic.at("tile").transactions - 32;  // less those that fill the tile
}

TEST(SimtLdmatrixTest, BankConflictsAreCountedPerMatrix) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: nothing is counted";
  EXPECT_EQ(ldmatrix_passes(1, false), 4u);   // rows side by side
  EXPECT_EQ(ldmatrix_passes(8, false), 32u);  // all rows of a matrix in the same four banks
  EXPECT_EQ(ldmatrix_passes(8, true), 4u);
}

enum class Fault { kNone, kMisaligned, kGlobal, kDivergent, kHalfWarp, kHalfWarpLoad };

__global__ void faulty_mma_kernel(Fault planted, const Half* in, float* out) {
  SALUS_SHARED(Half, tile, [32 * 8 + 8]);
  for (unsigned i = threadIdx.x; i < 32 * 8 + 8; i += 32) tile[i] = in[i];
  __syncwarp();
  std::uint32_t a[4];
  const Half* row = tile + threadIdx.x * 8 + (planted == Fault::kMisaligned ? 1 : 0);
  if (planted == Fault::kHalfWarpLoad && threadIdx.x >= 16) return;
  ldmatrix<4>(a, planted == Fault::kGlobal ? in : row);
  const std::uint32_t b[2] = {a[0], a[1]};
  float sums[4] = {};
  if (planted == Fault::kHalfWarp && threadIdx.x >= 16) return;
  if (planted == Fault::kDivergent && threadIdx.x == 7) {
    mma<Half>(sums, a, b);
  } else {
    mma<Half>(sums, a, b);
  }
  out[threadIdx.x] = sums[0];
}

TEST(SimtTensorFaultTest, FaultyUseOfTensorCoresIsNamed) {
  const simt::Buffer<Half> in("in", std::vector<Half>(32 * 8 + 8));
  const simt::Buffer<float> out("out", 32);
  const auto message = [&](Fault planted, unsigned threads = 32) {
    return fault({.grid = {1}, .block = {threads}}, faulty_mma_kernel, planted, in.data(),
                 out.data());
  };
  EXPECT_EQ(message(Fault::kNone), "");
  EXPECT_THAT(message(Fault::kMisaligned), AllOf(HasSubstr("Misaligned"), HasSubstr("ldmatrix")));
  EXPECT_THAT(message(Fault::kGlobal), AllOf(HasSubstr("Wrong space"), HasSubstr("ldmatrix")));
  EXPECT_THAT(message(Fault::kDivergent), AllOf(HasSubstr("Divergent mma"), HasSubstr("line")));
  EXPECT_THAT(message(Fault::kHalfWarp), AllOf(HasSubstr("Exited lane"), HasSubstr("mma")));
  EXPECT_THAT(message(Fault::kHalfWarpLoad), AllOf(HasSubstr("Exited"), HasSubstr("ldmatrix")));
}

}  // namespace
}  // namespace salus::kernels
