#include "kernels/launch_cuda.h"
#include "kernels/similarity_merge.cuh"
#include "kernels/similarity_prepare.cuh"
#include "kernels/similarity_queries.cuh"
#include "kernels/similarity_scan.cuh"
#include "kernels/similarity_scan_plan_build.h"
#include "kernels/similarity_wgmma_cuda.h"

namespace salus::kernels {
namespace {

namespace sim = similarity;

sim::DeviceLimits limits_of(int device) {
  int processors = 0;
  int shared_bytes = 0;
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device));
  C10_CUDA_CHECK(
      cudaDeviceGetAttribute(&shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
  return {processors, static_cast<std::size_t>(shared_bytes)};
}

sim::SearchPlan plan_of(int device, const SimilarityProblem& problem) {
  const bool vectors = reinterpret_cast<std::uintptr_t>(problem.rows.stored) % 16 == 0;
  return sim::plan_search(problem, limits_of(device), vectors);
}

std::int64_t workspace_bytes(int device, const SimilarityProblem& problem) {
  return static_cast<std::int64_t>(plan_of(device, problem).workspace_bytes);
}

template <typename T>
void launch_first(int device, const SimilarityProblem& problem, const sim::SearchPlan& plan,
                  const sim::ScanMemory& memory) {
  if (sim::launch_wgmma(device, problem, plan.first, memory)) return;
  const auto scan = plan.first.query_tile == sim::kManyQueries
                        ? sim::similarity_scan_kernel<T, sim::kManyQueries, false>
                        : sim::similarity_scan_kernel<T, sim::kFewQueries, false>;
  launch(device, sim::scan_shape(plan.first), scan, problem, plan.first, memory);
}

template <typename T>
void launch_typed(int device, const SimilarityProblem& problem, const sim::SearchPlan& plan,
                  const sim::ScanMemory& memory) {
  launch(device, sim::queries_shape(problem.queries), sim::similarity_queries_kernel<T>, problem,
         plan.first.chunks, memory);
  launch_first<T>(device, problem, plan, memory);
  launch(device, sim::merge_shape(problem.queries, plan.merge_shared[0]),
         sim::similarity_merge_kernel<T, false>, problem, plan.first, memory);
  if (!problem.exact) return;
  launch(device, LaunchShape{.grid = {1}, .block = {sim::kMergeThreads}},
         sim::similarity_choose_kernel, problem.certain, problem.queries, memory.chosen);
  launch(device, sim::scan_shape(plan.second),
         sim::similarity_scan_kernel<T, sim::kFewQueries, true>, problem, plan.second, memory);
  launch(device, sim::merge_shape(problem.queries, plan.merge_shared[1]),
         sim::similarity_merge_kernel<float, true>, problem, plan.second, memory);
}

void launch_topk(int device, const SimilarityProblem& problem) {
  const sim::SearchPlan plan = plan_of(device, problem);
  const sim::ScanMemory memory = sim::memory_of(plan, problem.queries, problem.workspace);
  switch (problem.rows.type) {
    case RowType::kFloat:
      return launch_typed<float>(device, problem, plan, memory);
    case RowType::kHalf:
      return launch_typed<Half>(device, problem, plan, memory);
    case RowType::kBFloat16:
      return launch_typed<BFloat16>(device, problem, plan, memory);
    case RowType::kInt8:
      return launch_typed<std::int8_t>(device, problem, plan, memory);
  }
}

void launch_prepare(int device, const SimilarityRows& rows) {
  const LaunchShape shape = sim::prepare_shape(rows.count);
  switch (rows.type) {
    case RowType::kFloat:
      return launch(device, shape, sim::similarity_prepare_kernel<float>, rows);
    case RowType::kHalf:
      return launch(device, shape, sim::similarity_prepare_kernel<Half>, rows);
    case RowType::kBFloat16:
      return launch(device, shape, sim::similarity_prepare_kernel<BFloat16>, rows);
    case RowType::kInt8:
      return launch(device, shape, sim::similarity_prepare_kernel<std::int8_t>, rows);
  }
}

const CudaRegistration<SimilarityWorkspaceLaunch> workspace{"similarity_workspace",
                                                            &workspace_bytes};
const CudaRegistration<SimilarityTopkLaunch> topk{"similarity_topk", &launch_topk};
const CudaRegistration<SimilarityPrepareLaunch> prepare{"similarity_prepare", &launch_prepare};

}  // namespace
}  // namespace salus::kernels
