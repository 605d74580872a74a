#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace salus::kernels {

/// Ranges of the random augmentation of a batch; each is drawn anew, uniformly, per image. The
/// steps are taken in this order: geometry, gamma, gain and bias, noise, cutout.
struct AugmentSpec {
  double rotate = 0;     ///< degrees counter-clockwise as displayed, drawn from [-rotate, rotate]
  double translate = 0;  ///< fraction of height and width, [-t, t] each
  double scale_low = 1;  ///< zoom factor, above 0
  double scale_high = 1;
  double shear = 0;     ///< degrees, [-shear, shear], below 90
  double flip = 0;      ///< probability of a left-right mirror
  double gain_low = 1;  ///< v * gain
  double gain_high = 1;
  double bias_low = 0;  ///< + bias
  double bias_high = 0;
  double gamma_low = 1;  ///< on v clamped to [0, 1], before gain and bias; above 0
  double gamma_high = 1;
  double noise_low = 0;  ///< standard deviation of Gaussian noise, drawn from the range
  double noise_high = 0;
  double cutout = 0;  ///< height and width of the erased box as a fraction of the image's
  double cutout_probability = 0;
  double fill = 0;    ///< value outside the image and inside a cutout, in [0, 1] units
  double mean = 0;    ///< input and output are normalised: v01 = v * stddev + mean
  double stddev = 1;  ///< above 0
};

/// Random affine + flip + intensity + noise + cutout in one pass over the batch, bilinear.
///
/// A point p of the image, counted from its centre, moves to R(rotate) * Shear * (zoom * mirror(p))
/// + translation; each output pixel takes the bilinear value at the point that moves to it, where
/// pixels outside the image are `fill`. An image whose draws change nothing is copied to the bit,
/// and a step whose draw is neutral (zoom 1, gamma 1, noise 0 ...) is left out.
///
/// Random numbers are Philox 4x32-10 keyed by `seed`; block b of four words has the counter
/// (b, epoch, sample's low word, sample's high word). Words 0, 1, 2 ... of blocks 0 to 3 are the
/// draws rotate, scale, shear, translate x, translate y, flip, gamma, gain, bias, noise, cutout,
/// cutout's centre y and x, each (word + 1/2) / 2^32 of its range; block 16 + k is the noise of
/// elements 4 k to 4 k + 3 of the image in C, H, W order, two Box-Muller pairs (relative error of
/// the radius below 3e-7; up to 6.77 standard deviations). So CPU and CUDA, any batch composition,
/// any memory format and any thread count draw the same; pixels agree within float32 rounding.
///
/// On CUDA it runs on the current stream and does not wait. NaN pixels stay NaN and spread to the
/// output pixels that they are a neighbour of.
///
/// \param images   float32, float16 or bfloat16 [N, C, H, W], contiguous or channels-last (others
///                 are made contiguous first); at most 2^31 - 1 elements per image.
/// \param samples  int64 [N] on the CPU: dataset position of each image.
/// \param epoch    0 to 2^32 - 1.
/// \returns a new tensor of the same shape, dtype, device and memory format.
/// \throws c10::Error for other dtypes, shapes or devices, and for values of `epoch` or `spec`
///         outside of what is stated above, not finite, or low above high.
at::Tensor image_augment(const at::Tensor& images, const at::Tensor& samples, std::int64_t epoch,
                         std::uint64_t seed, const AugmentSpec& spec);

}  // namespace salus::kernels
