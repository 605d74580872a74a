#include "engine/core/device.h"

#include <c10/util/Exception.h>
#include <fmt/core.h>

#include "engine/io/error.h"
#include "kernels/dispatch.h"

namespace salus {
namespace {

at::Device parsed(const std::string& name) {
  try {
    const at::Device device(name);
    if (device.is_cpu() || device.is_cuda()) return device;
  } catch (const c10::Error&) {
    // Reported below, with what is right.
  }
  throw UsageError(fmt::format("There is no device '{}'; use cpu, cuda or cuda:N.", name));
}

}  // namespace

at::Device open_device(const std::string& name) {
  const at::Device device = parsed(name);
  if (device.is_cuda()) {
    if (const auto problem = kernels::cuda_problem(); !problem.empty()) throw Error(problem);
    kernels::load_cuda();
  }
  return device;
}

}  // namespace salus
