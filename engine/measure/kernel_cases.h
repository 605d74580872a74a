#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "kernels/kernel_cost.h"

namespace salus::measure {

/// One operator at one stated problem.
struct KernelCase {
  std::string problem;  ///< "2048 x 2048 uint16 -> 512 x 512 float32, area"
  kernels::KernelCost cost;
  /// Makes the inputs on a device; what it returns runs the operator on them once.
  std::function<std::function<void()>(const at::Device& device)> prepare;
};

/// The cases of one kernel family. To add a kernel: its line in kernel_cases.cpp, and a file
/// x_cases.cpp with the function that the line names.
struct KernelFamily {
  std::string name;
  std::vector<KernelCase> (*cases)();
};

std::span<const KernelFamily> kernel_families();

}  // namespace salus::measure
