#include "kernels/kmeans.h"

#include <ATen/Parallel.h>

#include <limits>
#include <set>

#include "tests/kernels/similarity_cases.h"
#include "tests/support/reference/kmeans.h"

namespace salus::kernels {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

reference::Points doubles(const at::Tensor& matrix) {
  reference::Points points;
  for (std::int64_t i = 0; i < matrix.size(0); ++i) {
    const std::vector<float> line = line_of(matrix, i);
    points.emplace_back(line.begin(), line.end());
  }
  return points;
}

/// `groups` clouds of `each` points, far from one another.
at::Tensor clouds(std::int64_t groups, std::int64_t each, std::int64_t dim) {
  const at::Tensor centres = 20 * normal_rows(groups, dim, 31);
  return (centres.unsqueeze(1) + normal_rows(groups * each, dim, 32).view({groups, each, dim}))
      .reshape({groups * each, dim})
      .contiguous();
}

TEST(KMeansTest, AssignmentIsTheFloat64ReferencesWhereNothingIsTied) {
  for (const auto& [n, k, d] : {std::tuple{1, 1, 1}, {300, 7, 33}, {513, 40, 64}, {70, 300, 20}}) {
    SCOPED_TRACE(std::to_string(n) + " points, " + std::to_string(k) + " centroids");
    const at::Tensor points = normal_rows(n, d, 1), centroids = normal_rows(k, d, 2);
    const KMeansAssignment found = kmeans_assign(points, centroids);
    const reference::Points exact = doubles(points), centres = doubles(centroids);
    reference::Points sums(centres.size(), std::vector<double>(d));
    std::vector<std::int64_t> counts(centres.size());
    for (std::int64_t i = 0; i < n; ++i) {
      const auto nearest = reference::nearest_centroid(exact[i], centres);
      const auto label = found.labels[i].item<std::int64_t>();
      if (nearest.second > nearest.distance * (1 + 1e-5)) {
        EXPECT_EQ(label, nearest.label);
      }
      EXPECT_NEAR(found.distances[i].item<double>(), nearest.distance,
                  1e-5 * nearest.distance + 1e-9);
      ++counts[label];
      for (int j = 0; j < d; ++j) sums[label][j] += exact[i][j];
    }
    for (std::int64_t c = 0; c < k; ++c) {
      EXPECT_EQ(found.counts[c].item<std::int64_t>(), counts[c]);
      for (int j = 0; j < d; ++j) EXPECT_EQ(found.sums[c][j].item<double>(), sums[c][j]);
    }
  }
}

TEST(KMeansTest, EqualDistancesGoToTheLowerCentroid) {
  const at::Tensor centroids = at::tensor({1.0f, -1.0f, 1.0f}).view({3, 1});
  const KMeansAssignment found =
      kmeans_assign(at::tensor({0.0f, 1.0f, -5.0f}).view({3, 1}), centroids);
  EXPECT_TRUE(at::equal(found.labels, at::tensor({0, 0, 1}, at::kLong)));
  EXPECT_TRUE(at::equal(found.distances, at::tensor({1.0f, 0.0f, 16.0f})));
}

TEST(KMeansTest, PointsAndCentroidsThatAreNotFiniteTakeNoPart) {
  at::Tensor points = normal_rows(6, 3, 3), centroids = normal_rows(3, 3, 4);
  points[1][0] = kNaN;
  points[4][2] = -kInf;
  centroids[0][0] = kNaN;
  const KMeansAssignment found = kmeans_assign(points, centroids);
  EXPECT_EQ(found.counts[0].item<std::int64_t>(), 0);
  EXPECT_EQ(found.counts.sum().item<std::int64_t>(), 4);
  for (const std::int64_t i : {1, 4}) {
    EXPECT_EQ(found.labels[i].item<std::int64_t>(), -1);
    EXPECT_EQ(found.distances[i].item<float>(), kInf);
  }
  EXPECT_TRUE(at::isfinite(found.sums).all().item<bool>());
  const KMeans clusters = kmeans(points, {.clusters = 2});
  EXPECT_EQ(clusters.counts.sum().item<std::int64_t>(), 4);
  EXPECT_TRUE(std::isfinite(clusters.inertia));
}

TEST(KMeansTest, SeedingTakesOnePointOfEachFarCloud) {
  const at::Tensor points = clouds(6, 40, 8);
  for (const std::uint64_t seed : {0, 1, 2, 3}) {
    const at::Tensor centroids = kmeans_plus_plus(points, 6, seed);
    std::set<std::int64_t> found;
    for (std::int64_t c = 0; c < 6; ++c) {
      const at::Tensor same = (points == centroids[c]).all(1);
      ASSERT_EQ(same.sum().item<std::int64_t>(), 1) << "a centroid is not a point";
      found.insert(same.to(at::kInt).argmax().item<std::int64_t>() / 40);
    }
    EXPECT_EQ(found.size(), 6u) << "seed " << seed;
  }
  EXPECT_FALSE(at::equal(kmeans_plus_plus(points, 6, 0), kmeans_plus_plus(points, 6, 1)));
}

TEST(KMeansTest, SeedingDrawsInProportionToSquaredDistance) {
  // After a first centroid at 0, points at 1 and 3 are drawn as 1 to 9.
  const at::Tensor points = at::tensor({0.0f, 1.0f, 3.0f}).view({3, 1});
  int from_zero = 0, near = 0;
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    const at::Tensor centroids = kmeans_plus_plus(points, 2, seed);
    if (centroids[0][0].item<float>() != 0) continue;
    ++from_zero;
    near += centroids[1][0].item<float>() == 1;
  }
  EXPECT_NEAR(from_zero, 1000, 100);
  EXPECT_NEAR(near, 0.1 * from_zero, 35);
}

TEST(KMeansTest, IterationsAreTheFloat64Reference) {
  const at::Tensor points = clouds(5, 60, 12);
  reference::Points centres = doubles(kmeans_plus_plus(points, 5, 9));
  for (int i = 0; i < 3; ++i) centres = reference::lloyd_step(doubles(points), centres);
  const KMeans found = kmeans(points, {.clusters = 5, .iterations = 3, .seed = 9});
  for (std::int64_t c = 0; c < 5; ++c) {
    for (int d = 0; d < 12; ++d) {
      EXPECT_NEAR(found.centroids[c][d].item<double>(), centres[c][d],
                  1e-5 * std::abs(centres[c][d]) + 1e-6);
    }
  }
}

TEST(KMeansTest, CloudsAreFoundAndTheResultIsConsistent) {
  const at::Tensor points = clouds(6, 50, 10);
  const KMeans found = kmeans(points, {.clusters = 6, .seed = 4});
  EXPECT_TRUE(found.converged);
  EXPECT_TRUE((found.counts == 50).all().item<bool>());
  const KMeansAssignment again = kmeans_assign(points, found.centroids);
  EXPECT_TRUE(at::equal(again.labels, found.labels));
  EXPECT_TRUE(at::equal(again.distances, found.distances));
  EXPECT_NEAR(found.inertia, found.distances.sum(at::kDouble).item<double>(), 1e-6 * found.inertia);
  const at::Tensor first = found.labels.view({6, 50}).select(1, 0).unsqueeze(1);
  EXPECT_TRUE((found.labels.view({6, 50}) == first).all().item<bool>());
}

at::Tensor column(std::vector<float> values) {
  return at::tensor(values).view({static_cast<std::int64_t>(values.size()), 1});
}

TEST(KMeansTest, EmptyClustersTakeTheFarthestPointsInTurn) {
  // All are nearest to 0; the two far ones go to the empty clusters, the farther one first.
  const at::Tensor points = column({0, 0, 1, 8, -10});
  const KMeans once =
      kmeans(points, {.clusters = 3, .iterations = 1, .start = column({0, 500, 600})});
  EXPECT_TRUE(at::equal(once.centroids, column({1.0f / 3, -10, 8})));
  EXPECT_TRUE(at::equal(once.labels, at::tensor({0, 0, 0, 2, 1}, at::kLong)));
  EXPECT_FALSE(once.converged);
}

TEST(KMeansTest, AClusterOfOnePointIsNotRobbed) {
  const at::Tensor points = column({0, 0, 100});
  // 100 is far from its centroid 130, but alone there.
  const KMeans once =
      kmeans(points, {.clusters = 3, .iterations = 1, .start = column({1, 130, 9000})});
  EXPECT_EQ(once.counts.sum().item<std::int64_t>(), 3);
  EXPECT_EQ(once.centroids[1][0].item<float>(), 100);
}

TEST(KMeansTest, FewerDistinctPointsThanClustersLeaveClustersEmpty) {
  const at::Tensor points = column({0, 0, 0, 0, 4, 6});
  for (const std::uint64_t seed : {0, 1, 2, 3}) {
    const KMeans found = kmeans(points, {.clusters = 5, .seed = seed});
    EXPECT_EQ(found.inertia, 0);
    EXPECT_TRUE(found.converged);
    EXPECT_EQ((found.counts > 0).sum().item<std::int64_t>(), 3);
  }
}

TEST(KMeansTest, ThreadsDoNotChangeTheBitsAndSeedsDo) {
  const at::Tensor points = normal_rows(1500, 70, 41);
  const KMeansOptions options{.clusters = 12, .iterations = 5, .seed = 3};
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const KMeans serial = kmeans(points, options);
  for (const int threads : {2, 5}) {
    at::set_num_threads(threads);
    const KMeans found = kmeans(points, options);
    EXPECT_TRUE(at::equal(found.centroids.view(at::kInt), serial.centroids.view(at::kInt)));
    EXPECT_TRUE(at::equal(found.labels, serial.labels));
    EXPECT_EQ(found.inertia, serial.inertia);
  }
  at::set_num_threads(before);
  EXPECT_FALSE(at::equal(kmeans(points, {.clusters = 12, .iterations = 5, .seed = 4}).labels,
                         serial.labels));
}

TEST(KMeansTest, RefusesOtherTensorsAndOptions) {
  const at::Tensor points = normal_rows(5, 3, 1);
  EXPECT_THROW(kmeans_assign({}, points), c10::Error);
  EXPECT_THROW(kmeans_assign(points, {}), c10::Error);
  EXPECT_THROW(kmeans_assign(points.to(at::kHalf), points), c10::Error);
  EXPECT_THROW(kmeans_assign(points, points.slice(1, 0, 2)), c10::Error);
  EXPECT_THROW(kmeans_assign(points, points.slice(1, 0, 2).contiguous()), c10::Error);
  EXPECT_THROW(kmeans_assign(points, at::empty({0, 3})), c10::Error);
  EXPECT_THROW(kmeans_plus_plus(points, 0, 0), c10::Error);
  EXPECT_THROW(kmeans_plus_plus(at::empty({0, 3}), 1, 0), c10::Error);
  EXPECT_THROW(kmeans_plus_plus(at::full({2, 3}, kNaN), 1, 0), c10::Error);
  EXPECT_THROW(kmeans(points, {.iterations = 0}), c10::Error);
  EXPECT_THROW(kmeans(points, {.clusters = 2, .start = points}), c10::Error);
  EXPECT_EQ(kmeans_assign(at::empty({0, 3}), points).labels.numel(), 0);
}

}  // namespace
}  // namespace salus::kernels
