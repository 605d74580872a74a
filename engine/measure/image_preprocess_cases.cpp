#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include "engine/measure/kernel_cases.h"
#include "kernels/image_preprocess.h"
#include "kernels/image_preprocess_cost.h"
#include "kernels/image_preprocess_plan_build.h"

namespace salus::measure {
namespace {

/// Twelve-bit values in a fixed pattern, as X-ray and CT files store them.
at::Tensor stored_pixels(std::int64_t side, at::ScalarType type) {
  const auto index = at::arange(side * side, at::kLong);
  const auto values = (index * 2654435761L).bitwise_right_shift(7).bitwise_and(4095);
  return values.to(type).view({side, side});
}

KernelCase preprocess_case(const std::string& problem, std::int64_t count, std::int64_t side,
                           at::ScalarType type, std::int64_t size, at::ScalarType dtype) {
  const auto images = [=](const at::Device& device) {
    std::vector<kernels::PreprocessImage> all(static_cast<std::size_t>(count));
    for (auto& image : all) {
      image.pixels = stored_pixels(side, type).to(device);
      image.center = 2000;
      image.width = 3000;
    }
    return all;
  };
  kernels::PreprocessSpec spec;
  spec.height = spec.width = size;
  spec.mean = {0.5};
  spec.stddev = {0.25};
  spec.dtype = dtype;
  KernelCase made{problem, {}, {}};
  made.cost = kernels::preprocess::image_preprocess_cost(
      kernels::preprocess::make_plan(images(at::kCPU), spec));
  made.prepare = [=](const at::Device& device) -> std::function<void()> {
    const auto options = at::TensorOptions(dtype).device(device);
    const auto out = at::empty({count, 1, size, size}, options);
    return [=, inputs = images(device)] { kernels::image_preprocess_out(inputs, spec, out); };
  };
  return made;
}

}  // namespace

std::vector<KernelCase> image_preprocess_cases() {
  return {preprocess_case("1 x 2048 x 2048 uint16 -> 512 x 512 float32, area", 1, 2048, at::kUInt16,
                          512, at::kFloat),
          preprocess_case("64 x 512 x 512 int16 -> 224 x 224 bfloat16, area", 64, 512, at::kShort,
                          224, at::kBFloat16),
          preprocess_case("256 x 28 x 28 uint8 -> 28 x 28 float32", 256, 28, at::kByte, 28,
                          at::kFloat)};
}

}  // namespace salus::measure
