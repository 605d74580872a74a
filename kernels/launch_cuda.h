#pragma once

// For x_cuda.cu files only: how a kernel is launched.

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime.h>

#include "kernels/device.h"
#include "kernels/dispatch.h"

namespace salus::kernels {

/// Lets `kernel` take as much dynamic shared memory as a block of the device can have beside the
/// kernel's static one; a launch of more than kUnaskedSharedBytes of both fails otherwise. Once for
/// each kernel and device, so that no thread lowers what another is about to use. Thread-safe.
void allow_shared_memory(int device, const void* kernel);

/// Runs `kernel` on the current stream of `device` and checks the launch. An empty grid launches
/// nothing. Does not wait, does not allocate: it may be captured in a CUDA graph.
///
/// \throws c10::Error if the driver refuses the launch (or an earlier one has failed).
template <typename... Parameters, typename... Arguments>
void launch(int device, const LaunchShape& shape, void (*kernel)(Parameters...),
            Arguments... arguments) {
  const dim3 grid(shape.grid.x, shape.grid.y, shape.grid.z);
  const dim3 block(shape.block.x, shape.block.y, shape.block.z);
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(device));
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  if (asks_for_shared_memory(shape)) {
    allow_shared_memory(device, reinterpret_cast<const void*>(kernel));
  }
  kernel<<<grid, block, shape.shared_bytes, stream>>>(Parameters(arguments)...);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

}  // namespace salus::kernels
