// The operator: memory, upload and dispatch. Checks are in image_preprocess_checks.cpp, what the
// numbers mean is folded in image_preprocess_plan.cpp.

#include "kernels/image_preprocess.h"

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include <utility>

#include "kernels/dispatch.h"
#include "kernels/image_preprocess_batch.h"
#include "kernels/image_preprocess_plan.h"
#include "kernels/image_preprocess_plan_build.h"

namespace salus::kernels {
namespace {

using preprocess::DeviceBatch;
using preprocess::OutputPlan;
using preprocess::Plan;

std::vector<std::int64_t> output_shape(std::size_t count, const PreprocessSpec& spec) {
  return {static_cast<std::int64_t>(count), spec.channels, spec.height, spec.width};
}

void check_out(const at::Tensor& out, std::size_t count, const PreprocessSpec& spec,
               at::Device device) {
  const auto shape = output_shape(count, spec);
  TORCH_CHECK(out.defined() && out.sizes() == at::IntArrayRef(shape) && out.is_contiguous() &&
                  out.scalar_type() == spec.dtype && out.device() == device,
              "image_preprocess: the output must be a contiguous ", spec.dtype, " tensor ",
              at::IntArrayRef(shape), " on ", device, ".");
}

at::Device device_of(const std::vector<PreprocessImage>& images) {
  const bool known = !images.empty() && images[0].pixels.defined();
  return known ? images[0].pixels.device() : at::Device(at::kCPU);
}

const CudaLauncher<preprocess::PreprocessLaunch> preprocess_cuda{"image_preprocess"};

/// The plan's bytes on `device`. The copy runs on the current stream from pinned memory, which
/// LibTorch's allocator keeps until the stream has read it.
DeviceBatch upload(const Plan& plan, at::Device device, at::Tensor& block) {
  const auto bytes = static_cast<std::int64_t>(preprocess::packed_bytes(plan));
  block = at::empty({bytes}, at::TensorOptions(at::kByte).device(device));
  const at::Tensor staging = at::empty({bytes}, at::TensorOptions(at::kByte).pinned_memory(true));
  const DeviceBatch batch =
      preprocess::pack(plan, staging.mutable_data_ptr(), block.const_data_ptr());
  block.copy_(staging, /*non_blocking=*/true);
  return batch;
}

}  // namespace

/// Exactly one of `plan` (CPU) and `batch` with `block` (CUDA) is run.
struct PackedPreprocess::Impl {
  PreprocessSpec spec;
  std::vector<at::Tensor> pixels;  // kept alive
  at::Device device = at::kCPU;
  Plan plan;
  DeviceBatch batch{};
  at::Tensor block;
};

PackedPreprocess::PackedPreprocess(const std::vector<PreprocessImage>& images,
                                   const PreprocessSpec& spec) {
  auto impl = std::make_shared<Impl>();
  impl->spec = spec;
  impl->device = device_of(images);
  impl->plan = preprocess::make_plan(images, spec);
  TORCH_CHECK(impl->device.is_cpu() || impl->device.is_cuda(), "image_preprocess: images on ",
              impl->device, " are not supported; move them to the CPU or a CUDA device.");
  for (const PreprocessImage& image : images) impl->pixels.push_back(image.pixels);
  if (impl->device.is_cuda()) impl->batch = upload(impl->plan, impl->device, impl->block);
  impl_ = std::move(impl);
}

void PackedPreprocess::run(const at::Tensor& out) const {
  const bool any_device = impl_->pixels.empty() && out.defined();
  check_out(out, impl_->pixels.size(), impl_->spec, any_device ? out.device() : impl_->device);
  if (impl_->pixels.empty()) return;
  OutputPlan output = impl_->plan.output;
  output.data = out.mutable_data_ptr();
  if (impl_->device.is_cpu()) return preprocess::run_on_cpu(impl_->plan, output);
  DeviceBatch batch = impl_->batch;
  batch.output = output;
  preprocess_cuda(impl_->device.index(), batch);
}

at::Tensor image_preprocess(const std::vector<PreprocessImage>& images,
                            const PreprocessSpec& spec) {
  const PackedPreprocess packed(images, spec);
  const at::Tensor out = at::empty(output_shape(images.size(), spec),
                                   at::TensorOptions(spec.dtype).device(device_of(images)));
  packed.run(out);
  return out;
}

void image_preprocess_out(const std::vector<PreprocessImage>& images, const PreprocessSpec& spec,
                          const at::Tensor& out) {
  PackedPreprocess(images, spec).run(out);
}

}  // namespace salus::kernels
