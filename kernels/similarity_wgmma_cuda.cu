#include <cuda.h>

#include <cstdlib>
#include <limits>
#include <string_view>

#include "kernels/launch_cuda.h"
#include "kernels/similarity_wgmma.cuh"
#include "kernels/similarity_wgmma_cuda.h"

namespace salus::kernels::similarity {
namespace {

bool asked_for() {
  const char* value = std::getenv("SALUS_WGMMA");
  return value != nullptr && std::string_view(value) == "1";
}

bool suits(const SimilarityProblem& problem, const ScanPlan& plan) {
  const RowType type = problem.rows.type;
  return (type == RowType::kHalf || type == RowType::kBFloat16) && plan.vectors && plan.resident &&
         plan.query_tile == kManyQueries && problem.rows.count > 0 &&
         problem.rows.count <= std::numeric_limits<std::int32_t>::max();
}

/// The driver's function, without linking to the driver (which a machine without a GPU lacks).
decltype(&cuTensorMapEncodeTiled) encoder() {
  void* found = nullptr;
  cudaDriverEntryPointQueryResult result{};
  C10_CUDA_CHECK(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000,
                                                  cudaEnableDefault, &result));
  return result == cudaDriverEntryPointSuccess
             ? reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(found)
             : nullptr;
}

/// The stored rows as boxes of kTileRows x kChunkBytes, in the 128-byte swizzle, zeros beyond.
TensorMap map_of(const SimilarityRows& rows, decltype(&cuTensorMapEncodeTiled) encode) {
  static_assert(sizeof(CUtensorMap) == sizeof(TensorMap));
  const cuuint64_t extent[2] = {static_cast<cuuint64_t>(rows.dim),
                                static_cast<cuuint64_t>(rows.count)};
  const cuuint64_t stride[1] = {static_cast<cuuint64_t>(rows.dim) * 2};
  const cuuint32_t box[2] = {kChunkBytes / 2, kTileRows};
  const cuuint32_t step[2] = {1, 1};
  const auto type = rows.type == RowType::kHalf ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16
                                                : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
  TensorMap map;
  const CUresult result =
      encode(reinterpret_cast<CUtensorMap*>(&map), type, 2, const_cast<void*>(rows.stored), extent,
             stride, box, step, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
             CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  TORCH_CHECK(result == CUDA_SUCCESS, "similarity: the driver refuses a tensor map of ", rows.count,
              " rows of ", rows.dim, " values (error ", static_cast<int>(result), ").");
  return map;
}

/// Whether the device's code has the body, which for any other architecture than sm_90a is a trap of a
/// few registers, and the device gives a block what it needs.
template <typename T>
bool can_run(int device, const ScanPlan& plan) {
  const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(device));
  int major = 0;
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  if (major != 9) return false;
  cudaFuncAttributes attributes{};
  C10_CUDA_CHECK(cudaFuncGetAttributes(&attributes,
                                       reinterpret_cast<const void*>(&similarity_wgmma_kernel<T>)));
  int most = 0;
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
  const std::size_t needed = wgmma_shape(plan).shared_bytes + attributes.sharedSizeBytes;
  constexpr int kRegistersOfTrap = 32;
  return attributes.numRegs > kRegistersOfTrap && needed <= static_cast<std::size_t>(most);
}

template <typename T>
bool launch_typed(int device, const SimilarityProblem& problem, const ScanPlan& plan,
                  const ScanMemory& memory) {
  const auto encode = can_run<T>(device, plan) ? encoder() : nullptr;
  if (encode == nullptr) return false;
  launch(device, wgmma_shape(plan), similarity_wgmma_kernel<T>, problem, plan, memory,
         map_of(problem.rows, encode));
  return true;
}

}  // namespace

bool launch_wgmma(int device, const SimilarityProblem& problem, const ScanPlan& plan,
                  const ScanMemory& memory) {
  if (!asked_for() || !suits(problem, plan)) return false;
  return problem.rows.type == RowType::kHalf
             ? launch_typed<Half>(device, problem, plan, memory)
             : launch_typed<BFloat16>(device, problem, plan, memory);
}

}  // namespace salus::kernels::similarity
