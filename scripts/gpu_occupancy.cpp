// How much of a multiprocessor a kernel fills, by NVIDIA's own calculator; for scripts/gpu_gate.
//
// Reads lines "ARCH REGISTERS STATIC_SHARED DYNAMIC_SHARED THREADS" and answers each with the share
// of the resident threads in per cent (0: the kernel cannot run there). Needs no GPU.
#include <cuda_occupancy.h>

#include <iostream>
#include <string>

namespace {

/// Table "Technical Specifications per Compute Capability" of the CUDA C++ Programming Guide, for
/// A100, H100 and B200.
bool device_of(const std::string& arch, cudaOccDeviceProp& device) {
  device.maxThreadsPerBlock = 1024;
  device.maxThreadsPerMultiprocessor = 2048;
  device.regsPerBlock = 65536;
  device.regsPerMultiprocessor = 65536;
  device.warpSize = 32;
  device.sharedMemPerBlock = 48 * 1024;
  device.reservedSharedMemPerBlock = 1024;
  device.computeMinor = 0;
  if (arch == "sm_80") {
    device.computeMajor = 8;
    device.sharedMemPerMultiprocessor = 164 * 1024;
    device.numSms = 108;
  } else if (arch == "sm_90a") {
    device.computeMajor = 9;
    device.sharedMemPerMultiprocessor = 228 * 1024;
    device.numSms = 132;
  } else if (arch == "sm_100") {
    device.computeMajor = 10;
    device.sharedMemPerMultiprocessor = 228 * 1024;
    device.numSms = 148;
  } else {
    return false;
  }
  device.sharedMemPerBlockOptin = device.sharedMemPerMultiprocessor - 1024;
  return true;
}

}  // namespace

int main() {
  std::string arch;
  int registers = 0, threads = 0;
  std::size_t static_shared = 0, dynamic_shared = 0;
  while (std::cin >> arch >> registers >> static_shared >> dynamic_shared >> threads) {
    cudaOccDeviceProp device;
    if (!device_of(arch, device)) {
      std::cerr << "no properties are known of " << arch << "\n";
      return 1;
    }
    cudaOccFuncAttributes kernel;
    kernel.maxThreadsPerBlock = 1024;
    kernel.numRegs = registers;
    kernel.sharedSizeBytes = static_shared;
    kernel.partitionedGCConfig = PARTITIONED_GC_OFF;
    kernel.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN;
    kernel.maxDynamicSharedSizeBytes = dynamic_shared;
    const cudaOccDeviceState state;
    cudaOccResult result;
    const cudaOccError error = cudaOccMaxActiveBlocksPerMultiprocessor(
        &result, &device, &kernel, &state, threads, dynamic_shared);
    const int blocks = error == CUDA_OCC_SUCCESS ? result.activeBlocksPerMultiprocessor : 0;
    std::cout << 100 * blocks * threads / device.maxThreadsPerMultiprocessor << "\n";
  }
  return 0;
}
