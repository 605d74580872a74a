#include <gtest/gtest.h>

#include <vector>

#include "tests/support/simt/simt.h"

// What CUDA's collectives and atomics return, from the text of the CUDA C++ Programming Guide.
namespace salus::kernels {
namespace {

constexpr LaunchShape kWarpShape{.grid = {1}, .block = {32}};

/// Runs `kernel(out)` over one warp and returns the 32 results, the same for every seed.
template <typename T>
std::vector<T> run_warp(void (*kernel)(T*)) {
  std::vector<T> first;
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const simt::Buffer<T> out("out", 32);
    simt::launch(kWarpShape, {.seed = seed}, kernel, out.data());
    const std::vector<T> values(out.begin(), out.end());
    if (seed == 0) first = values;
    EXPECT_EQ(values, first) << "seed " << seed;
  }
  return first;
}

__global__ void shuffle_index(int* out) {
  const int lane = static_cast<int>(threadIdx.x);
  out[lane] = __shfl_sync(kAllLanes, 10 * lane, lane + 3, 8);
}
__global__ void shuffle_up(int* out) {
  const int lane = static_cast<int>(threadIdx.x);
  out[lane] = __shfl_up_sync(kAllLanes, 10 * lane, 3, 16);
}
__global__ void shuffle_down(double* out) {
  const int lane = static_cast<int>(threadIdx.x);
  out[lane] = __shfl_down_sync(kAllLanes, 0.5 * lane, 5);
}
__global__ void shuffle_xor(float* out) {
  const int lane = static_cast<int>(threadIdx.x);
  out[lane] = __shfl_xor_sync(kAllLanes, static_cast<float>(lane), 9);
}

TEST(SimtCollectiveTest, ShufflesMoveValuesInsideTheirSegments) {
  const auto index = run_warp<int>(shuffle_index);
  const auto up = run_warp<int>(shuffle_up);
  const auto down = run_warp<double>(shuffle_down);
  const auto exchanged = run_warp<float>(shuffle_xor);
  for (int lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(index[lane], 10 * (lane / 8 * 8 + (lane + 3) % 8));
    EXPECT_EQ(up[lane], 10 * (lane % 16 < 3 ? lane : lane - 3));
    EXPECT_EQ(down[lane], 0.5 * (lane + 5 > 31 ? lane : lane + 5));
    EXPECT_EQ(exchanged[lane], static_cast<float>(lane ^ 9));
  }
}

__global__ void votes(unsigned* out) {
  const int lane = static_cast<int>(threadIdx.x);
  const unsigned odd = __ballot_sync(kAllLanes, lane % 2);
  const int any = __any_sync(kAllLanes, lane == 31);
  const int none = __any_sync(kAllLanes, lane == 32);
  const int all = __all_sync(kAllLanes, lane < 32);
  const int some = __all_sync(kAllLanes, lane < 31);
  out[lane] = odd == 0xaaaaaaaau && any && !none && all && !some;
}

__global__ void votes_of_half_a_warp(unsigned* out) {
  const unsigned lane = threadIdx.x;
  const unsigned mask = lane < 16 ? 0x0000ffffu : 0xffff0000u;
  out[lane] = __ballot_sync(mask, lane % 16 == 2);
}

TEST(SimtCollectiveTest, VotesSeeTheLanesOfTheirMask) {
  EXPECT_EQ(run_warp<unsigned>(votes), std::vector<unsigned>(32, 1));
  const auto halves = run_warp<unsigned>(votes_of_half_a_warp);
  EXPECT_EQ(halves[0], 0x00000004u);
  EXPECT_EQ(halves[31], 0x00040000u);
}

__global__ void matches(unsigned* out) {
  const unsigned lane = threadIdx.x;
  int all = -1;
  const unsigned same = __match_all_sync(kAllLanes, 7u, &all);
  int not_all = -1;
  const unsigned other = __match_all_sync(kAllLanes, lane, &not_all);
  const bool right = same == kAllLanes && all == 1 && other == 0 && not_all == 0;
  out[lane] = right ? __match_any_sync(kAllLanes, lane % 4) : 0;
}

TEST(SimtCollectiveTest, MatchesFindEqualValues) {
  const auto equal = run_warp<unsigned>(matches);
  for (unsigned lane = 0; lane < 32; ++lane) EXPECT_EQ(equal[lane], 0x11111111u << lane % 4);
}

__global__ void reductions(int* out) {
  const int lane = static_cast<int>(threadIdx.x);
  const auto bit = 1u << lane;
  const bool right =
      __reduce_add_sync(kAllLanes, lane) == 496 && __reduce_min_sync(kAllLanes, lane - 40) == -40 &&
      __reduce_max_sync(kAllLanes, lane - 40) == -9 &&
      __reduce_max_sync(kAllLanes, bit) == 0x80000000u &&
      __reduce_or_sync(kAllLanes, bit) == kAllLanes && __reduce_and_sync(kAllLanes, ~bit) == 0u &&
      __reduce_xor_sync(kAllLanes, bit) == kAllLanes;
  out[lane] = right ? 1 : 0;
}

__global__ void warp_helpers(float* out) {
  const auto lane = static_cast<float>(threadIdx.x);
  const unsigned half = threadIdx.x < 16 ? 0x0000ffffu : 0xffff0000u;
  out[threadIdx.x] = warp_sum(lane) == 496 && warp_max(lane) == 31 && warp_min(lane) == 0 &&
                             warp_sum(1.0f, half, 16) == 16
                         ? 1.0f
                         : 0.0f;
}

TEST(SimtCollectiveTest, ReductionsCoverEveryLane) {
  EXPECT_EQ(run_warp<int>(reductions), std::vector<int>(32, 1));
  EXPECT_EQ(run_warp<float>(warp_helpers), std::vector<float>(32, 1.0f));
}

__global__ void block_votes(int* out) {
  const int i = static_cast<int>(threadIdx.x);
  const int count = __syncthreads_count(i % 3 == 0);
  const int all = __syncthreads_and(i < 70);
  const int not_all = __syncthreads_and(i < 69);
  const int any = __syncthreads_or(i == 69);
  const int none = __syncthreads_or(i == 70);
  out[i] = count == 24 && all && !not_all && any && !none ? 1 : 0;
}

TEST(SimtCollectiveTest, BarriersWithAVoteCountTheBlock) {
  const simt::Buffer<int> out("out", 70);
  const simt::Report report =
      simt::launch({.grid = {1}, .block = {70}}, {}, block_votes, out.data());
  for (const int right : out) EXPECT_EQ(right, 1);
  EXPECT_EQ(report.barriers, 5u);
  EXPECT_EQ(report.threads, 70u);
}

__global__ void atomics(int* total, unsigned* bits, unsigned* lowest, float* sum,
                        unsigned long long* tickets) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  atomicAdd(total, static_cast<int>(i));
  atomicOr(bits, 1u << i % 32);
  atomicMin(lowest, 1000 - i);
  atomicAdd(sum, 0.5f);
  unsigned long long seen = 0;
  while (atomicCAS(tickets, seen, seen + 1) != seen) ++seen;
}

TEST(SimtCollectiveTest, AtomicsOfManyBlocksAllCount) {
  const simt::Buffer<int> total("total", std::vector<int>{0});
  const simt::Buffer<unsigned> bits("bits", std::vector<unsigned>{0});
  const simt::Buffer<unsigned> lowest("lowest", std::vector<unsigned>{5000});
  const simt::Buffer<float> sum("sum", std::vector<float>{0});
  const simt::Buffer<unsigned long long> tickets("tickets", std::vector<unsigned long long>{0});
  simt::launch({.grid = {4}, .block = {50}}, {.seed = 11}, atomics, total.data(), bits.data(),
               lowest.data(), sum.data(), tickets.data());
  EXPECT_EQ(total[0], 199 * 200 / 2);
  EXPECT_EQ(bits[0], 0xffffffffu);
  EXPECT_EQ(lowest[0], 801u);
  EXPECT_EQ(sum[0], 100.0f);
  EXPECT_EQ(tickets[0], 200u);
}

__global__ void positions(unsigned* out) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] = block * 1000 + thread;
}

TEST(SimtCollectiveTest, EveryThreadOfEveryBlockRunsOnceAtItsPosition) {
  const simt::Buffer<unsigned> out("out", 2 * 3 * 4 * 5 * 6 * 2);
  simt::launch({.grid = {2, 3, 4}, .block = {5, 6, 2}}, {}, positions, out.data());
  for (unsigned i = 0; i < out.size(); ++i) EXPECT_EQ(out[i], i / 60 * 1000 + i % 60);
}

__global__ void reversed(const float* in, float* out) {
  SALUS_DYNAMIC_SHARED(float, tile);
  tile[threadIdx.x] = in[threadIdx.x];
  __syncthreads();
  out[threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}

TEST(SimtCollectiveTest, DynamicSharedMemoryHasTheSizeOfTheLaunch) {
  std::vector<float> values;
  for (int i = 0; i < 96; ++i) values.push_back(static_cast<float>(i));
  const simt::Buffer<float> in("in", values);
  const simt::Buffer<float> out("out", 96);
  simt::launch({.grid = {1}, .block = {96}, .shared_bytes = 96 * 4}, {}, reversed, in.data(),
               out.data());
  for (int i = 0; i < 96; ++i) EXPECT_EQ(out[i], values[95 - i]);
  EXPECT_THROW(simt::launch({.grid = {1}, .block = {96}}, {}, reversed, in.data(), out.data()),
               simt::Failure);
  if (!simt::counts_accesses()) return;  // AddressSanitizer would stop the program
  EXPECT_THROW(simt::launch({.grid = {1}, .block = {96}, .shared_bytes = 95 * 4}, {}, reversed,
                            in.data(), out.data()),
               simt::Failure);
}

TEST(SimtCollectiveTest, LaunchesThatNoGpuTakesAreRefused) {
  const simt::Buffer<unsigned> out("out", 2048);
  for (const LaunchShape& shape :
       {LaunchShape{.grid = {1}, .block = {1025}}, LaunchShape{.grid = {1}, .block = {0}},
        LaunchShape{.grid = {1, 65536}, .block = {1}},
        LaunchShape{.grid = {1}, .block = {1, 1, 65}}}) {
    EXPECT_THROW(simt::launch(shape, {}, positions, out.data()), simt::Failure);
  }
}

template <int kStride>
__global__ void strided_copy(const float* in, float* out) {
  SALUS_SHARED(float, tile, [1024]);
  tile[threadIdx.x * kStride] = in[threadIdx.x * kStride];
  out[threadIdx.x] = tile[threadIdx.x * kStride];
}

TEST(SimtTransactionTest, NeighbouringLanesShareSectorsAndBanks) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: accesses are not seen";
  const simt::Buffer<float> in("in", std::vector<float>(1024));
  const simt::Buffer<float> out("out", 32);
  const simt::Options options{.count_transactions = true};
  const auto near = simt::launch(kWarpShape, options, strided_copy<1>, in.data(), out.data());
  EXPECT_EQ(near.traffic.at("in").transactions, 4u);
  EXPECT_EQ(near.traffic.at("in").fewest_transactions, 4u);
  EXPECT_EQ(near.traffic.at("tile").transactions, 2u);  // one to write, one to read
  const auto far = simt::launch(kWarpShape, options, strided_copy<32>, in.data(), out.data());
  EXPECT_EQ(far.traffic.at("in").transactions, 32u);
  EXPECT_EQ(far.traffic.at("in").fewest_transactions, 4u);
  EXPECT_EQ(far.traffic.at("tile").transactions, 64u) << "32 lanes in one bank, twice";
  EXPECT_EQ(far.traffic.at("tile").fewest_transactions, 2u);
  EXPECT_EQ(far.traffic.at("out").transactions, 4u);
}

}  // namespace
}  // namespace salus::kernels
