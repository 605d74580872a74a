#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include "kernels/dispatch.h"
#include "kernels/kmeans.h"
#include "tests/kernels/similarity_cases.h"

// The CUDA operator against the CPU operator.
namespace salus::kernels {
namespace {

class KMeansCudaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!cuda_problem().empty()) GTEST_SKIP() << cuda_problem();
    load_cuda();
  }
};

TEST_F(KMeansCudaTest, AssignsAsTheCpu) {
  for (const auto& [n, k, d] :
       {std::tuple{1, 1, 1}, {5000, 7, 33}, {20000, 100, 64}, {70000, 300, 256}}) {
    const at::Tensor points = normal_rows(n, d, 1), centroids = normal_rows(k, d, 2);
    const KMeansAssignment cpu = kmeans_assign(points, centroids);
    const KMeansAssignment gpu = kmeans_assign(points.to(at::kCUDA), centroids.to(at::kCUDA));
    EXPECT_TRUE(at::equal(gpu.labels.cpu(), cpu.labels));
    EXPECT_TRUE(at::equal(gpu.distances.cpu(), cpu.distances));
    EXPECT_TRUE(at::equal(gpu.counts.cpu(), cpu.counts));
    EXPECT_TRUE(at::allclose(gpu.sums.cpu(), cpu.sums, 1e-12, 1e-9));
  }
}

TEST_F(KMeansCudaTest, FindsTheSameClusters) {
  const at::Tensor points = normal_rows(3000, 16, 3);
  const KMeans cpu = kmeans(points, {.clusters = 12, .iterations = 5});
  const KMeans gpu = kmeans(points.to(at::kCUDA), {.clusters = 12, .iterations = 5});
  EXPECT_TRUE(gpu.labels.is_cuda());
  EXPECT_TRUE(at::allclose(gpu.centroids, cpu.centroids, 1e-5, 1e-5));
  EXPECT_NEAR(gpu.inertia, cpu.inertia, 1e-5 * cpu.inertia);
}

}  // namespace
}  // namespace salus::kernels
