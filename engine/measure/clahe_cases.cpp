#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include "engine/measure/kernel_cases.h"
#include "kernels/clahe.h"
#include "kernels/clahe_cost.h"

namespace salus::measure {
namespace {

KernelCase clahe_case(const std::string& problem, std::int64_t count, std::int64_t side, int bits,
                      at::ScalarType dtype) {
  kernels::ClahePlan plan;
  plan.bits = bits;
  plan.count = static_cast<int>(count);
  plan.height = plan.width = static_cast<int>(side);
  plan.tiles_x = plan.tiles_y = 8;
  KernelCase made{problem, {}, {}};
  made.cost = kernels::clahe_cost(plan, static_cast<int>(at::elementSize(dtype)));
  made.prepare = [=](const at::Device& device) -> std::function<void()> {
    const auto index = at::arange(count * side * side, at::kLong);
    const auto values = (index * 2654435761L).bitwise_right_shift(7).bitwise_and((1 << bits) - 1);
    const auto images = values.to(dtype).view({count, side, side}).to(device);
    kernels::ClaheSpec spec;
    spec.bits = bits;
    const auto out = at::empty_like(images);
    const auto workspace = at::empty({kernels::clahe_workspace_bytes(images, spec)},
                                     images.options().dtype(at::kByte));
    return [=] { kernels::clahe_out(images, spec, out, workspace); };
  };
  return made;
}

}  // namespace

std::vector<KernelCase> clahe_cases() {
  return {clahe_case("2048 x 2048 uint16 of 12 bits, 8 x 8 tiles", 1, 2048, 12, at::kUInt16),
          clahe_case("64 x 512 x 512 uint8, 8 x 8 tiles", 64, 512, 8, at::kByte)};
}

}  // namespace salus::measure
