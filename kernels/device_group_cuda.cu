#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <nccl.h>

#include <cstring>

#include "kernels/device_group.h"
#include "kernels/dispatch.h"

namespace salus::kernels {
namespace {

static_assert(sizeof(ncclUniqueId) == sizeof(DeviceGroupId));

void check(ncclResult_t result, const char* what) {
  TORCH_CHECK(result == ncclSuccess, "NCCL cannot ", what, ": ", ncclGetErrorString(result),
              ". Run with NCCL_DEBUG=INFO for the reason.");
}

void launch_id(DeviceGroupId& id) {
  ncclUniqueId unique;
  check(ncclGetUniqueId(&unique), "start a group");
  std::memcpy(id.data(), &unique, sizeof unique);
}

void* launch_connect(int device, const DeviceGroupId& id, int rank, int size) {
  const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(device));
  ncclUniqueId unique;
  std::memcpy(&unique, id.data(), sizeof unique);
  ncclComm_t communicator = nullptr;
  check(ncclCommInitRank(&communicator, size, unique, rank), "connect the GPUs");
  return communicator;
}

void launch_gather(int device, void* communicator, const void* own, void* all, std::size_t bytes) {
  const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(device));
  check(ncclAllGather(own, all, bytes, ncclUint8, static_cast<ncclComm_t>(communicator),
                      c10::cuda::getCurrentCUDAStream()),
        "gather");
}

void launch_close(int device, void* communicator) {
  const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(device));
  // In a destructor: a peer that is gone already must not end the program.
  ncclCommDestroy(static_cast<ncclComm_t>(communicator));
}

const CudaRegistration<DeviceGroupIdLaunch> id_registration{"device_group_id", &launch_id};
const CudaRegistration<DeviceGroupConnectLaunch> connect_registration{"device_group_connect",
                                                                      &launch_connect};
const CudaRegistration<DeviceGroupGatherLaunch> gather_registration{"device_group_gather",
                                                                    &launch_gather};
const CudaRegistration<DeviceGroupCloseLaunch> close_registration{"device_group_close",
                                                                  &launch_close};

}  // namespace
}  // namespace salus::kernels
