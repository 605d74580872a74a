#include "kernels/image_augment.h"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/dispatch.h"
#include "kernels/image_augment_plan.h"

namespace salus::kernels {
namespace {

const CudaLauncher<ImageAugmentLaunch> image_augment_cuda{"image_augment"};

void check_range(const char* name, double low, double high) {
  TORCH_CHECK(std::isfinite(low) && std::isfinite(high) && low <= high, "image_augment: ", name,
              " is drawn from [", low, ", ", high, "], which is not a finite, non-empty range.");
}

void check_between(const char* name, double value, double low, double high) {
  TORCH_CHECK(value >= low && value <= high, "image_augment: ", name, " is ", value,
              ", but must lie in [", low, ", ", high, "].");
}

void check_spec(const AugmentSpec& spec) {
  constexpr double kMost = std::numeric_limits<float>::max();
  check_between("rotate", spec.rotate, 0, 360);
  check_between("translate", spec.translate, 0, 10);
  check_between("shear", spec.shear, 0, 89);
  check_between("flip", spec.flip, 0, 1);
  check_between("cutout", spec.cutout, 0, 1);
  check_between("cutout_probability", spec.cutout_probability, 0, 1);
  check_between("fill", spec.fill, -kMost, kMost);
  check_between("mean", spec.mean, -kMost, kMost);
  check_range("scale", spec.scale_low, spec.scale_high);
  check_range("gain", spec.gain_low, spec.gain_high);
  check_range("bias", spec.bias_low, spec.bias_high);
  check_range("gamma", spec.gamma_low, spec.gamma_high);
  check_range("noise", spec.noise_low, spec.noise_high);
  TORCH_CHECK(spec.scale_low > 0, "image_augment: scale must be above 0, not ", spec.scale_low,
              ".");
  TORCH_CHECK(spec.gamma_low > 0, "image_augment: gamma must be above 0, not ", spec.gamma_low,
              ".");
  TORCH_CHECK(spec.noise_low >= 0, "image_augment: noise must not be negative, as ", spec.noise_low,
              " is.");
  TORCH_CHECK(spec.stddev > 0 && std::isfinite(spec.stddev),
              "image_augment: stddev must be above 0 and finite, not ", spec.stddev, ".");
}

void check_tensors(const at::Tensor& images, const at::Tensor& samples, std::int64_t epoch) {
  TORCH_CHECK(images.defined() && images.dim() == 4,
              "image_augment: images must be [N, C, H, W], not of ",
              images.defined() ? images.dim() : 0, " dimensions.");
  const auto type = images.scalar_type();
  TORCH_CHECK(type == at::kFloat || type == at::kHalf || type == at::kBFloat16,
              "image_augment: images must be float32, float16 or bfloat16, not ", type, ".");
  TORCH_CHECK(images.is_cpu() || images.is_cuda(),
              "image_augment: images must be on the CPU or a CUDA device, not on ", images.device(),
              ".");
  const std::int64_t most = std::numeric_limits<std::int32_t>::max();
  // Room for the border of the CPU's working plane, so that its indices fit 32 bits too.
  TORCH_CHECK(images.size(1) * (images.size(2) + 3) * (images.size(3) + 3) <= most,
              "image_augment: an image of ", images.sizes().slice(1),
              " is too large: it must have fewer than 2^31 elements.");
  TORCH_CHECK(samples.defined() && samples.is_cpu() && samples.scalar_type() == at::kLong &&
                  samples.dim() == 1 && samples.size(0) == images.size(0),
              "image_augment: samples must be int64 [", images.size(0), "] on the CPU.");
  TORCH_CHECK(epoch >= 0 && epoch <= std::numeric_limits<std::uint32_t>::max(),
              "image_augment: epoch must lie in 0 to 2^32 - 1, not be ", epoch, ".");
}

AugmentBatch batch_of(const at::Tensor& images, bool channels_last, std::int64_t epoch,
                      std::uint64_t seed, const AugmentSpec& spec) {
  AugmentBatch batch;
  batch.channels = static_cast<int>(images.size(1));
  batch.height = static_cast<int>(images.size(2));
  batch.width = static_cast<int>(images.size(3));
  batch.channels_last = channels_last;
  batch.fill = static_cast<float>((spec.fill - spec.mean) / spec.stddev);
  batch.mean = static_cast<float>(spec.mean);
  batch.stddev = static_cast<float>(spec.stddev);
  batch.epoch = static_cast<std::uint32_t>(epoch);
  batch.seed = seed;
  return batch;
}

void run_cuda(const at::Tensor& in, const at::Tensor& out, const AugmentBatch& batch,
              std::vector<AugmentImage>& plans) {
  const auto bytes = static_cast<std::int64_t>(plans.size() * sizeof(AugmentImage));
  const at::Tensor on_device = at::from_blob(plans.data(), {bytes}, at::kByte).to(in.device());
  image_augment_cuda(in.device().index(), static_cast<int>(in.scalar_type()), batch,
                     static_cast<int>(plans.size()),
                     static_cast<const AugmentImage*>(on_device.const_data_ptr()),
                     in.const_data_ptr(), out.mutable_data_ptr());
}

}  // namespace

at::Tensor image_augment(const at::Tensor& images, const at::Tensor& samples, std::int64_t epoch,
                         std::uint64_t seed, const AugmentSpec& spec) {
  check_tensors(images, samples, epoch);
  check_spec(spec);
  const bool contiguous = images.is_contiguous();
  const bool channels_last = !contiguous && images.is_contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor in = contiguous || channels_last ? images : images.contiguous();
  at::Tensor out = at::empty_like(in);
  if (in.numel() == 0) return out;
  const AugmentBatch batch = batch_of(in, channels_last, epoch, seed, spec);
  const at::Tensor positions = samples.contiguous();
  std::vector<AugmentImage> plans;
  plans.reserve(static_cast<std::size_t>(in.size(0)));
  for (std::int64_t i = 0; i < in.size(0); ++i) {
    plans.push_back(draw_augmentation(spec, batch, positions.const_data_ptr<std::int64_t>()[i]));
  }
  if (in.is_cuda()) {
    run_cuda(in, out, batch, plans);
  } else {
    image_augment_cpu(static_cast<int>(in.scalar_type()), batch, static_cast<int>(plans.size()),
                      plans.data(), in.const_data_ptr(), out.mutable_data_ptr());
  }
  return out;
}

}  // namespace salus::kernels
