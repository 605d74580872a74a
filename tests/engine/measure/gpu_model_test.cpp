#include "engine/measure/gpu_model.h"

#include <gtest/gtest.h>

#include <set>

#include "engine/measure/kernel_cases.h"
#include "engine/measure/times.h"

namespace salus::measure {
namespace {

// Round figures, so that the bounds can be worked out in the head.
const GpuModel kGpu{"round", 1e12, 10e12, 100e12, 50e9, 2e-6, "made up"};

TEST(GpuModelTest, BoundIsTheLongestOfMemoryMathLaunchAndPcie) {
  kernels::KernelCost cost;
  cost.bytes_read = 30e6;
  cost.bytes_written = 20e6;
  EXPECT_DOUBLE_EQ(bound_of(cost, kGpu).seconds, 50e-6);
  EXPECT_EQ(bound_of(cost, kGpu).limit, "memory");
  cost.bytes_uploaded = 5e6;
  EXPECT_DOUBLE_EQ(bound_of(cost, kGpu).seconds, 100e-6);
  EXPECT_EQ(bound_of(cost, kGpu).limit, "PCIe");
  cost.operations = 1e9;
  cost.tensor_operations = 20e9;
  EXPECT_DOUBLE_EQ(bound_of(cost, kGpu).seconds, 300e-6) << "the two kinds one after the other";
  EXPECT_EQ(bound_of(cost, kGpu).limit, "math");
  cost.launches = 200;
  EXPECT_DOUBLE_EQ(bound_of(cost, kGpu).seconds, 400e-6);
  EXPECT_EQ(bound_of(cost, kGpu).limit, "launch");
}

TEST(GpuModelTest, CostsOfSeveralCallsAddUp) {
  kernels::KernelCost sum;
  sum.bytes_read = 1;
  sum += {.bytes_read = 2,
          .bytes_written = 3,
          .bytes_uploaded = 4,
          .operations = 5,
          .tensor_operations = 6,
          .launches = 7};
  EXPECT_EQ(sum.bytes_read, 3);
  EXPECT_EQ(sum.bytes(), 6);
  EXPECT_EQ(sum.bytes_uploaded, 4);
  EXPECT_EQ(sum.operations, 5);
  EXPECT_EQ(sum.tensor_operations, 6);
  EXPECT_EQ(sum.launches, 8);
}

TEST(GpuModelTest, EveryGpuIsNoSlowerThanTheOneBeforeAndNamesItsSource) {
  const GpuModel* before = nullptr;
  for (const auto& gpu : gpu_models()) {
    EXPECT_FALSE(gpu.source.empty());
    if (before != nullptr) {
      EXPECT_GT(gpu.memory, before->memory);
      EXPECT_GE(gpu.operations, before->operations);
      EXPECT_GE(gpu.tensor_operations, before->tensor_operations);
      EXPECT_GE(gpu.pcie, before->pcie);
    }
    before = &gpu;
  }
}

TEST(GpuModelTest, IsFoundByTheNameThatTheDriverGives) {
  EXPECT_EQ(find_gpu_model("NVIDIA H100 80GB HBM3")->name, "H100");
  EXPECT_EQ(find_gpu_model("NVIDIA A100-SXM4-80GB")->name, "A100");
  EXPECT_EQ(find_gpu_model("NVIDIA B200")->name, "B200");
  EXPECT_EQ(find_gpu_model("NVIDIA H200")->name, "H200");
  EXPECT_EQ(find_gpu_model("NVIDIA H100 PCIe"), nullptr);
  EXPECT_EQ(find_gpu_model("NVIDIA H200 NVL"), nullptr);
  EXPECT_EQ(find_gpu_model("NVIDIA A100-SXM4-40GB"), nullptr);
  EXPECT_EQ(find_gpu_model("NVIDIA RTX A1000"), nullptr);
  EXPECT_EQ(find_gpu_model("NVIDIA GB200"), nullptr);
  EXPECT_EQ(find_gpu_model(""), nullptr);
}

TEST(KernelCasesTest, EveryFamilyStatesProblemsOfItsOwnAndTheirCost) {
  std::set<std::string> names;
  for (const auto& family : kernel_families()) {
    EXPECT_TRUE(names.insert(family.name).second) << family.name;
    std::set<std::string> problems;
    for (const auto& one : family.cases()) {
      SCOPED_TRACE(family.name + ": " + one.problem);
      EXPECT_TRUE(problems.insert(one.problem).second);
      EXPECT_GT(one.cost.bytes_read, 0);
      EXPECT_GT(one.cost.bytes_written, 0);
      EXPECT_GE(one.cost.bytes_read, one.cost.bytes_uploaded);
      EXPECT_GE(one.cost.launches, 1);
      EXPECT_TRUE(one.prepare);
    }
    EXPECT_FALSE(problems.empty()) << family.name;
  }
}

TEST(TimesTest, PercentilesAreNearestRanks) {
  const Times times{{5, 1, 4, 2, 3}};
  EXPECT_EQ(times.median(), 3);
  EXPECT_EQ(times.percentile(0), 1);
  EXPECT_EQ(times.percentile(0.21), 2);
  EXPECT_EQ(times.percentile(0.95), 5);
  EXPECT_EQ(times.percentile(1), 5);
  EXPECT_EQ(Times{}.median(), 0);
}

TEST(TimesTest, EachCallIsOneTime) {
  int calls = 0;
  const auto times = time_calls([&] { ++calls; }, at::kCPU, 1e-9);
  EXPECT_EQ(times.seconds.size(), 5u);
  EXPECT_EQ(calls, 6) << "one to warm up";
}

}  // namespace
}  // namespace salus::measure
