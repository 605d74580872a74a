#include "engine/measure/gpu_model.h"

#include <array>

namespace salus::measure {
namespace {

// A launch that overlaps with the kernel before it: 3.8 us a kernel, of which 2.9 us is the kernel
// ("Getting Started with CUDA Graphs", developer.nvidia.com/blog/cuda-graphs).
constexpr double kLaunch = 0.9e-6;

const std::array<GpuModel, 4> kModels = {
    GpuModel{"A100", 2.039e12, 19.5e12, 312e12, 32e9, kLaunch,
             "NVIDIA A100 Tensor Core GPU data sheet, A100 80GB SXM; PCIe 4.0 x16"},
    GpuModel{"H100", 3.35e12, 67e12, 989.5e12, 64e9, kLaunch,
             "NVIDIA H100 Tensor Core GPU data sheet, H100 SXM; PCIe 5.0 x16"},
    GpuModel{"H200", 4.8e12, 67e12, 989.5e12, 64e9, kLaunch,
             "NVIDIA H200 Tensor Core GPU data sheet, H200 SXM; PCIe 5.0 x16"},
    GpuModel{"B200", 8e12, 80e12, 2250e12, 64e9, kLaunch,
             "NVIDIA Blackwell architecture technical brief, HGX B200; PCIe 5.0 x16 of DGX B200"}};

}  // namespace

std::span<const GpuModel> gpu_models() { return kModels; }

const GpuModel* find_gpu_model(const std::string& device_name) {
  // Of the same name, with slower memory or clocks.
  for (const char* slower : {"PCI", "NVL", "40GB"}) {
    if (device_name.find(slower) != std::string::npos) return nullptr;
  }
  for (const GpuModel& gpu : kModels) {
    const auto at = device_name.find(gpu.name);
    // "GH100" or "A1000" would be others.
    if (at == std::string::npos || (at > 0 && device_name[at - 1] != ' ')) continue;
    const auto end = at + gpu.name.size();
    if (end == device_name.size() || device_name[end] == ' ' || device_name[end] == '-')
      return &gpu;
  }
  return nullptr;
}

Bound bound_of(const kernels::KernelCost& cost, const GpuModel& gpu) {
  Bound bound{cost.bytes() / gpu.memory, "memory"};
  const auto at_least = [&](double seconds, const char* limit) {
    if (seconds > bound.seconds) bound = {seconds, limit};
  };
  at_least(cost.operations / gpu.operations + cost.tensor_operations / gpu.tensor_operations,
           "math");
  at_least(cost.launches * gpu.launch, "launch");
  at_least(cost.bytes_uploaded / gpu.pcie, "PCIe");
  return bound;
}

}  // namespace salus::measure
