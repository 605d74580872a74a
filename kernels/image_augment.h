#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace salus::kernels {

/// Ranges of the random augmentation of a batch; each is drawn anew, uniformly, per image.
struct AugmentSpec {
  double rotate = 0;              ///< degrees, drawn from [-rotate, rotate]
  double translate = 0;           ///< fraction of height and width, [-t, t] each
  double scale_low = 1;           ///< zoom factor
  double scale_high = 1;
  double shear = 0;               ///< degrees, [-shear, shear]
  double flip = 0;                ///< probability of a left-right mirror
  double gain_low = 1;            ///< v * gain
  double gain_high = 1;
  double bias_low = 0;            ///< + bias
  double bias_high = 0;
  double gamma_low = 1;           ///< on v clamped to [0, 1], before gain and bias
  double gamma_high = 1;
  double noise_low = 0;           ///< standard deviation of Gaussian noise, drawn from the range
  double noise_high = 0;
  double cutout = 0;              ///< side of the erased square as a fraction of the image side
  double cutout_probability = 0;
  double fill = 0;                ///< value outside the image and inside a cutout, in [0, 1] units
  double mean = 0;                ///< input and output are normalised: v01 = v * stddev + mean
  double stddev = 1;
};

/// Random affine + flip + intensity + noise + cutout in one pass over the batch, bilinear.
///
/// Random numbers are Philox 4x32-10 keyed by `seed` with counter (sample, epoch, draw, pixel): they
/// depend on nothing else, so CPU and CUDA, any batch composition and any thread count draw the same.
///
/// \param images   float32, float16 or bfloat16 [N, C, H, W], contiguous or channels-last.
/// \param samples  int64 [N] on the CPU: dataset position of each image.
/// \returns a new tensor of the same shape, dtype, device and memory format.
/// \throws c10::Error for other dtypes or shapes, and for ranges that are empty or not finite.
at::Tensor image_augment(const at::Tensor& images, const at::Tensor& samples, std::int64_t epoch,
                         std::uint64_t seed, const AugmentSpec& spec);

}  // namespace salus::kernels
