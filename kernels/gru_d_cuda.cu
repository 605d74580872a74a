#include "kernels/gru_d.cuh"
#include "kernels/launch_cuda.h"

namespace salus::kernels {
namespace {

void launch_impute(int device, const GruDImputeTask& task) {
  launch(device, gru_d_element_shape(task.sizes, task.sizes.variables), gru_d_impute_kernel, task);
}

void launch_impute_backward(int device, const GruDImputeBackwardTask& task) {
  launch(device, gru_d_element_shape(task.sizes, task.sizes.variables),
         gru_d_impute_backward_kernel, task);
}

void launch_forward(int device, const GruDForwardTask& task) {
  const auto run = [&](int units, void (*kernel)(GruDForwardTask)) {
    launch(device, gru_d_recurrence_shape(task.sizes, units), kernel, task);
  };
  if (task.sizes.units <= 32) return run(32, gru_d_forward_kernel<32>);
  if (task.sizes.units <= 64) return run(64, gru_d_forward_kernel<64>);
  run(128, gru_d_forward_kernel<128>);
}

void launch_backward(int device, const GruDBackwardTask& task) {
  const auto run = [&](int units, void (*kernel)(GruDBackwardTask)) {
    launch(device, gru_d_recurrence_shape(task.sizes, units), kernel, task);
  };
  if (task.sizes.units <= 32) return run(32, gru_d_backward_kernel<32>);
  if (task.sizes.units <= 64) return run(64, gru_d_backward_kernel<64>);
  run(128, gru_d_backward_kernel<128>);
}

void launch_step(int device, const GruDStepTask& task) {
  const GruDSizes& sizes = task.series.sizes;
  launch(device, gru_d_element_shape(sizes, sizes.units), gru_d_step_kernel, task);
}

void launch_step_backward(int device, const GruDStepBackwardTask& task) {
  const GruDSizes& sizes = task.series.sizes;
  launch(device, gru_d_element_shape(sizes, sizes.units), gru_d_step_backward_kernel, task);
}

const CudaRegistration<GruDImputeLaunch> impute{"gru_d_impute", &launch_impute};
const CudaRegistration<GruDImputeBackwardLaunch> impute_backward{"gru_d_impute_backward",
                                                                 &launch_impute_backward};
const CudaRegistration<GruDForwardLaunch> forward{"gru_d_forward", &launch_forward};
const CudaRegistration<GruDBackwardLaunch> backward{"gru_d_backward", &launch_backward};
const CudaRegistration<GruDStepLaunch> step{"gru_d_step", &launch_step};
const CudaRegistration<GruDStepBackwardLaunch> step_backward{"gru_d_step_backward",
                                                             &launch_step_backward};

}  // namespace
}  // namespace salus::kernels
