#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include "engine/measure/kernel_cases.h"
#include "kernels/histogram_equalize.h"
#include "kernels/histogram_equalize_cost.h"

namespace salus::measure {
namespace {

constexpr std::int64_t kSide = 2048;

}  // namespace

std::vector<KernelCase> histogram_equalize_cases() {
  kernels::EqualizePlan plan;
  plan.bits = 12;
  plan.count = 1;
  plan.pixels = kSide * kSide;
  KernelCase made{"2048 x 2048 uint16 of 12 bits", {}, {}};
  made.cost = kernels::histogram_equalize_cost(plan, 2);
  made.prepare = [](const at::Device& device) -> std::function<void()> {
    const auto index = at::arange(kSide * kSide, at::kLong);
    const auto values = (index * 2654435761L).bitwise_right_shift(7).bitwise_and(4095);
    const auto image = values.to(at::kUInt16).view({kSide, kSide}).to(device);
    const kernels::EqualizeSpec spec{.bits = 12};
    const auto out = at::empty_like(image);
    const auto workspace = at::empty({kernels::histogram_equalize_workspace_bytes(image, spec)},
                                     image.options().dtype(at::kByte));
    return [=] { kernels::histogram_equalize_out(image, spec, out, workspace); };
  };
  return {made};
}

}  // namespace salus::measure
