#include "kernels/image_preprocess.cuh"
#include "kernels/launch_cuda.h"

namespace salus::kernels::preprocess {
namespace {

void launch_image_preprocess(int device, const DeviceBatch& batch) {
  const LaunchShape shape = image_preprocess_shape(batch);
  switch (batch.output.type) {
    case OutputType::kFloat32:
      return launch(device, shape, image_preprocess_kernel<float>, batch);
    case OutputType::kFloat16:
      return launch(device, shape, image_preprocess_kernel<Half>, batch);
    case OutputType::kBFloat16:
      return launch(device, shape, image_preprocess_kernel<BFloat16>, batch);
  }
}

const CudaRegistration<PreprocessLaunch> registration{"image_preprocess", &launch_image_preprocess};

}  // namespace
}  // namespace salus::kernels::preprocess
