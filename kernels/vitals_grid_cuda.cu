#include <c10/core/ScalarType.h>

#include "kernels/launch_cuda.h"
#include "kernels/vitals_grid.cuh"

namespace salus::kernels {
namespace {

void launch_vitals_grid(int device, int scalar, const GridBatch& batch, const GridArrays& arrays) {
  const LaunchShape shape = vitals_grid_shape(batch);
  switch (static_cast<c10::ScalarType>(scalar)) {
    case c10::ScalarType::Half:
      return launch(device, shape, vitals_grid_kernel<Half>, batch, arrays);
    case c10::ScalarType::BFloat16:
      return launch(device, shape, vitals_grid_kernel<BFloat16>, batch, arrays);
    default:
      return launch(device, shape, vitals_grid_kernel<float>, batch, arrays);
  }
}

const CudaRegistration<VitalsGridLaunch> registration{"vitals_grid", &launch_vitals_grid};

}  // namespace
}  // namespace salus::kernels
