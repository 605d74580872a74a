#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "kernels/kmeans_cost.h"
#include "kernels/kmeans_sums.cuh"
#include "tests/support/simt/simt.h"

// The text of the CUDA kernel under the emulator, against sums in float64.
namespace salus::kernels {
namespace {

struct Problem {
  std::int64_t dim = 0;
  std::int32_t clusters = 0;
  std::vector<float> points;
  std::vector<std::int64_t> members, starts;
};

/// Points in random order in clusters of uneven size, some of them empty; of every tenth cluster none.
Problem problem(std::int64_t count, std::int32_t clusters, std::int64_t dim, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Problem made{dim, clusters, {}, {}, {0}};
  std::normal_distribution<float> normal(1000, 1);  // so that rounding shows
  made.points.resize(static_cast<std::size_t>(count * dim));
  for (float& value : made.points) value = normal(random);
  std::vector<std::vector<std::int64_t>> groups(static_cast<std::size_t>(clusters));
  std::uniform_real_distribution<double> even;
  for (std::int64_t n = 0; n < count; ++n) {
    const auto at = static_cast<std::size_t>(even(random) * even(random) * clusters);
    if (at % 10 != 9) groups[at].push_back(n);
  }
  for (const auto& group : groups) {
    made.members.insert(made.members.end(), group.begin(), group.end());
    made.starts.push_back(static_cast<std::int64_t>(made.members.size()));
  }
  return made;
}

struct Summed {
  std::vector<double> sums;  ///< [clusters, dim]
  simt::Report report;
};

Summed emulate(const Problem& of, std::int32_t splits, std::uint64_t order, int shift = 0) {
  std::vector<float> values(of.points.size() + static_cast<std::size_t>(shift));
  std::copy(of.points.begin(), of.points.end(), values.begin() + shift);
  const simt::Buffer<float> points("points", values);
  const simt::Buffer<std::int64_t> members("members", of.members), starts("starts", of.starts);
  const auto half = static_cast<std::size_t>(of.clusters * of.dim);
  const simt::Buffer<float> halves("halves", 2 * half * static_cast<std::size_t>(splits));
  const KMeansSumsTask task{
      points.data() + shift, members.data(), starts.data(), halves.data(), of.dim,
      of.clusters,           splits};
  const bool vectors = of.dim % 4 == 0 && shift == 0;
  Summed found;
  found.report = simt::launch(kmeans_sums_shape(task), {.seed = order},
                              vectors ? kmeans_sums_kernel<true> : kmeans_sums_kernel<false>, task);
  found.sums.resize(half);
  for (std::size_t i = 0; i < 2 * half * static_cast<std::size_t>(splits); ++i) {
    found.sums[i % half] += double{halves.data()[i]};
  }
  return found;
}

void expect_sums(const Problem& of, const Summed& found) {
  for (std::int32_t c = 0; c < of.clusters; ++c) {
    for (std::int64_t d = 0; d < of.dim; ++d) {
      double exact = 0, size = 0;
      for (auto m = of.starts[c]; m < of.starts[c + 1]; ++m) {
        const double value = of.points[static_cast<std::size_t>(of.members[m] * of.dim + d)];
        exact += value;
        size += std::abs(value);
      }
      ASSERT_NEAR(found.sums[static_cast<std::size_t>(c * of.dim + d)], exact, size * 0x1p-44)
          << "cluster " << c << ", column " << d;
    }
  }
}

TEST(KMeansSumsBodyTest, AreThoseOfFloat64ToFortyFourBits) {
  for (const auto& [count, clusters, dim] : {std::tuple{1, 1, 1},
                                             {200, 7, 33},
                                             {300, 12, 64},
                                             {150, 3, 128},
                                             {90, 5, 260},
                                             {60, 2, 131}}) {
    SCOPED_TRACE(std::to_string(count) + " x " + std::to_string(dim) + ", " +
                 std::to_string(clusters) + " clusters");
    const Problem of = problem(count, clusters, dim, 5);
    expect_sums(of, emulate(of, 1, 1));
    expect_sums(of, emulate(of, 3, 2));
  }
}

TEST(KMeansSumsBodyTest, PointsMayLieAtAnyAddress) {
  const Problem of = problem(100, 4, 64, 6);
  expect_sums(of, emulate(of, 2, 3, 1));
}

TEST(KMeansSumsBodyTest, TheOrderOfThreadsDoesNotMatter) {
  const Problem of = problem(400, 6, 40, 7);
  const auto first = emulate(of, 2, 1).sums;
  for (const std::uint64_t order : {2, 3, 4}) EXPECT_EQ(emulate(of, 2, order).sums, first);
}

TEST(KMeansSumsBodyTest, EveryValueIsReadOnceInSixteenBytes) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: bytes are not counted";
  const Problem of = problem(3000, 4, 256, 8);
  const auto members = static_cast<std::int64_t>(of.members.size());
  const auto splits = kmeans_splits(members, of.clusters, of.dim);
  const auto report = emulate(of, splits, 1).report;
  const KernelCost cost = kmeans_sums_cost(members, of.clusters, of.dim);
  const auto& points = report.traffic.at("points");
  EXPECT_EQ(points.bytes_read, 4u * static_cast<std::uint64_t>(members * of.dim));
  EXPECT_EQ(points.widest, 16u);
  EXPECT_EQ(report.traffic.at("halves").bytes_written, cost.bytes_written);
  // A place in the order is read by every lane of a warp at once: one sector for all.
  const double places = report.traffic.at("members").elements_read * 8.0 * 2;  // stripes
  const double starts = 16.0 * 2 * of.clusters * splits;
  EXPECT_EQ(points.bytes_read + places + starts, cost.bytes_read);
}

TEST(KMeansSumsBodyTest, LaunchesHaveBlocksForTheDeviceAndMembersForEach) {
  EXPECT_EQ(kmeans_splits(1000, 10, 64), 1);
  EXPECT_EQ(kmeans_splits(1'000'000, 1000, 256), 1);
  EXPECT_EQ(kmeans_splits(1'000'000, 8, 64), 64);
  EXPECT_EQ(kmeans_splits(1'000'000, 100, 128), 5);
  EXPECT_EQ(kmeans_splits(0, 3, 1), 1);
}

}  // namespace
}  // namespace salus::kernels
