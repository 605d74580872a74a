#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstddef>

namespace salus::kernels {

/// What the ranks of a DeviceGroup agree on: made by one of them and brought to the others by other
/// means (a store, a message between the processes).
using DeviceGroupId = std::array<std::byte, 128>;

/// \throws c10::Error as load_cuda() does, or with NCCL's reason.
DeviceGroupId make_device_group_id();

/// GPUs of several processes, one each, that exchange tensors by NCCL without a way through the
/// host: NVLink, PCIe or InfiniBand, whichever NCCL finds.
class DeviceGroup {
 public:
  /// Collective: returns when all `size` ranks have called it with the same id.
  /// \param device  this rank's own GPU; no two ranks may share one.
  /// \throws c10::Error as load_cuda() does, or with NCCL's reason.
  DeviceGroup(at::Device device, const DeviceGroupId& id, int rank, int size);
  ~DeviceGroup();
  DeviceGroup(const DeviceGroup&) = delete;
  DeviceGroup& operator=(const DeviceGroup&) = delete;

  /// The tensors of all ranks in order: [size, ...]. Collective. Runs on the current stream of the
  /// device and does not wait for it.
  /// \param own  contiguous, on this rank's device, of the same shape and type on every rank.
  /// \throws c10::Error for another device or layout, or with NCCL's reason.
  at::Tensor all_gather(const at::Tensor& own) const;

 private:
  at::Device device_;
  int size_;
  void* communicator_ = nullptr;
};

/// The launchers of device_group_cuda.cu.
using DeviceGroupIdLaunch = void(DeviceGroupId& id);
using DeviceGroupConnectLaunch = void*(int device, const DeviceGroupId& id, int rank, int size);
using DeviceGroupGatherLaunch = void(int device, void* communicator, const void* own, void* all,
                                     std::size_t bytes);
using DeviceGroupCloseLaunch = void(int device, void* communicator);

}  // namespace salus::kernels
