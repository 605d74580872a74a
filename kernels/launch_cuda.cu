#include <map>
#include <mutex>
#include <utility>

#include "kernels/launch_cuda.h"

namespace salus::kernels {

void allow_shared_memory(int device, const void* kernel) {
  static std::mutex mutex;
  static std::map<std::pair<int, const void*>, bool> allowed;
  const std::lock_guard lock(mutex);
  bool& done = allowed[{device, kernel}];
  if (done) return;
  int most = 0;
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
  cudaFuncAttributes attributes{};
  C10_CUDA_CHECK(cudaFuncGetAttributes(&attributes, kernel));
  C10_CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                      most - static_cast<int>(attributes.sharedSizeBytes)));
  done = true;
}

}  // namespace salus::kernels
