#include "kernels/kmeans_sums.cuh"
#include "kernels/launch_cuda.h"

namespace salus::kernels {
namespace {

void launch_kmeans_sums(int device, const KMeansSumsTask& task) {
  launch(device, kmeans_sums_shape(task),
         kmeans_vectors(task) ? kmeans_sums_kernel<true> : kmeans_sums_kernel<false>, task);
}

const CudaRegistration<KMeansSumsLaunch> registration{"kmeans_sums", &launch_kmeans_sums};

}  // namespace
}  // namespace salus::kernels
