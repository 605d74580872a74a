#include <ATen/Functions.h>

#include "engine/measure/kernel_cases.h"
#include "kernels/image_augment.h"
#include "kernels/image_augment_cost.h"
#include "kernels/image_augment_plan.h"

namespace salus::measure {
namespace {

constexpr std::uint64_t kSeed = 7;

/// What trains on X-rays take: a little of everything.
kernels::AugmentSpec usual_spec() {
  kernels::AugmentSpec spec;
  spec.rotate = 10, spec.translate = 0.05, spec.scale_low = 0.9, spec.scale_high = 1.1;
  spec.gain_low = 0.9, spec.gain_high = 1.1, spec.bias_low = -0.05, spec.bias_high = 0.05;
  spec.gamma_low = 0.8, spec.gamma_high = 1.25, spec.noise_high = 0.03;
  return spec;
}

KernelCase augment_case(const std::string& problem, std::int64_t count, std::int64_t side,
                        at::ScalarType dtype, const kernels::AugmentSpec& spec) {
  kernels::AugmentBatch batch;
  batch.channels = 1;
  batch.height = batch.width = static_cast<int>(side);
  batch.seed = kSeed;
  std::vector<kernels::AugmentImage> plans;
  for (std::int64_t i = 0; i < count; ++i) {
    plans.push_back(kernels::draw_augmentation(spec, batch, i));
  }
  KernelCase made{problem, {}, {}};
  made.cost = kernels::image_augment_cost(batch, plans, at::elementSize(dtype));
  made.prepare = [=](const at::Device& device) -> std::function<void()> {
    const auto options = at::TensorOptions(dtype).device(device);
    const auto images = at::full({count, 1, side, side}, 0.5, options);
    const auto samples = at::arange(count, at::kLong);
    return [=] { kernels::image_augment(images, samples, 0, kSeed, spec); };
  };
  return made;
}

}  // namespace

std::vector<KernelCase> image_augment_cases() {
  return {augment_case("128 x 28 x 28 float32, all steps", 128, 28, at::kFloat, usual_spec()),
          augment_case("64 x 224 x 224 bfloat16, all steps", 64, 224, at::kBFloat16, usual_spec()),
          augment_case("64 x 224 x 224 bfloat16, nothing drawn", 64, 224, at::kBFloat16, {})};
}

}  // namespace salus::measure
