#include <ATen/Functions.h>

#include "engine/measure/kernel_cases.h"
#include "engine/measure/similarity_model.h"
#include "kernels/kmeans.h"
#include "kernels/kmeans_cost.h"
#include "kernels/similarity_cost.h"
#include "kernels/similarity_scan_plan_build.h"

namespace salus::measure {
namespace {

constexpr std::int64_t kPoints = 65536, kDim = 256;
constexpr std::int32_t kClusters = 256;

/// The search of each point's nearest centroid, and the sums.
kernels::KernelCost assign_cost(std::int64_t count, std::int32_t clusters, std::int64_t dim) {
  kernels::SimilarityProblem asked;
  asked.queries = count;
  asked.k = 1;
  asked.candidates = 4;
  asked.rows.type = kernels::RowType::kBFloat16;
  asked.rows.count = clusters;
  asked.rows.dim = static_cast<int>(dim);
  asked.rows.l2 = true;
  auto cost = kernels::similarity::similarity_cost(
      asked, kernels::similarity::plan_search(asked, kLimits, /*vectors=*/true));
  cost += kernels::kmeans_sums_cost(count, clusters, dim);
  return cost;
}

}  // namespace

std::vector<KernelCase> kmeans_cases() {
  KernelCase made{
      "assign 65,536 x 256 to 256 centroids", assign_cost(kPoints, kClusters, kDim), {}};
  made.prepare = [](const at::Device& device) -> std::function<void()> {
    const auto points = made_up_rows(kPoints, kDim).to(device);
    const auto centroids = points.slice(0, 0, kClusters).contiguous();
    return [=] { kernels::kmeans_assign(points, centroids); };
  };
  return {made};
}

}  // namespace salus::measure
