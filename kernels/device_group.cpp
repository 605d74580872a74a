#include "kernels/device_group.h"

#include <ATen/ops/empty.h>

#include "kernels/dispatch.h"

namespace salus::kernels {
namespace {

const CudaLauncher<DeviceGroupIdLaunch> make_id{"device_group_id"};
const CudaLauncher<DeviceGroupConnectLaunch> connect{"device_group_connect"};
const CudaLauncher<DeviceGroupGatherLaunch> gather{"device_group_gather"};
const CudaLauncher<DeviceGroupCloseLaunch> close_group{"device_group_close"};

}  // namespace

DeviceGroupId make_device_group_id() {
  DeviceGroupId id{};
  make_id(id);
  return id;
}

DeviceGroup::DeviceGroup(at::Device device, const DeviceGroupId& id, int rank, int size)
    : device_(device), size_(size) {
  TORCH_CHECK(device.is_cuda(), "DeviceGroup: ", device, " is no GPU.");
  TORCH_CHECK(size >= 1 && rank >= 0 && rank < size, "DeviceGroup: there is no rank ", rank, " of ",
              size, ".");
  if (!device_.has_index()) device_.set_index(0);
  communicator_ = connect(device_.index(), id, rank, size);
}

DeviceGroup::~DeviceGroup() { close_group(device_.index(), communicator_); }

at::Tensor DeviceGroup::all_gather(const at::Tensor& own) const {
  TORCH_CHECK(own.device() == device_ && own.is_contiguous(),
              "DeviceGroup: a contiguous tensor on ", device_, " is needed.");
  std::vector<std::int64_t> shape = own.sizes().vec();
  shape.insert(shape.begin(), size_);
  at::Tensor all = at::empty(shape, own.options());
  if (own.numel() == 0) return all;
  gather(device_.index(), communicator_, own.const_data_ptr(), all.mutable_data_ptr(),
         own.nbytes());
  return all;
}

}  // namespace salus::kernels
