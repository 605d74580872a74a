// What the CUDA half shows to the process that opens it.

#include <c10/cuda/CUDAFunctions.h>

#include "kernels/dispatch.h"

namespace salus::kernels {

const CudaTableRow*& cuda_table() {
  static const CudaTableRow* head = nullptr;
  return head;
}

}  // namespace salus::kernels

extern "C" const salus::kernels::CudaTableRow* salus_cuda_table() {
  return salus::kernels::cuda_table();
}

extern "C" int salus_cuda_device_count() { return c10::cuda::device_count(); }
