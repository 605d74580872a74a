#pragma once

#include <span>
#include <string>

#include "kernels/kernel_cost.h"

namespace salus::measure {

/// What one GPU can do at most, by its maker's data sheet.
struct GpuModel {
  std::string name;
  double memory;      ///< bytes a second
  double operations;  ///< float32 outside of tensor cores, a second; a multiply-add counts two
  double tensor_operations;  ///< bfloat16 on tensor cores without sparsity, a second
  double pcie;               ///< bytes a second in one direction
  double launch;             ///< seconds that each launch in a stream takes at least
  std::string source;
};

/// A100, H100, H200, B200.
std::span<const GpuModel> gpu_models();

/// The one that a driver's name for a GPU ("NVIDIA H100 80GB HBM3") belongs to; null if none does,
/// as for the PCIe and NVL cards of the same names.
const GpuModel* find_gpu_model(const std::string& device_name);

/// The least time that a call can take, and which of "memory", "math", "launch" and "PCIe" says so.
struct Bound {
  double seconds = 0;
  std::string limit;
};
Bound bound_of(const kernels::KernelCost& cost, const GpuModel& gpu);

}  // namespace salus::measure
