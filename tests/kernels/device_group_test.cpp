#include "kernels/device_group.h"

#include <ATen/ops/arange.h>
#include <gtest/gtest.h>

#include "kernels/dispatch.h"

namespace salus::kernels {
namespace {

TEST(DeviceGroupTest, AGroupOfOneGathersItsOwnTensor) {
  if (!cuda_problem().empty()) GTEST_SKIP() << cuda_problem();
  load_cuda();
  const at::Device device("cuda:0");
  const DeviceGroup group(device, make_device_group_id(), 0, 1);
  const at::Tensor own = at::arange(12, at::kInt).view({3, 4}).to(device);
  EXPECT_TRUE(group.all_gather(own).cpu().equal(own.cpu().unsqueeze(0)));
  EXPECT_THROW(group.all_gather(own.t()), c10::Error);
  EXPECT_THROW(group.all_gather(own.cpu()), c10::Error);
}

TEST(DeviceGroupTest, RefusesWhatIsNoGroup) {
  EXPECT_THROW(DeviceGroup(at::kCPU, {}, 0, 1), c10::Error);
  EXPECT_THROW(DeviceGroup(at::Device("cuda:0"), {}, 2, 2), c10::Error);
}

TEST(DeviceGroupTest, WithoutAGpuItSaysWhy) {
  if (cuda_problem().empty()) GTEST_SKIP() << "a GPU is there";
  EXPECT_THROW(make_device_group_id(), c10::Error);
}

}  // namespace
}  // namespace salus::kernels
