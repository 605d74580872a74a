#pragma once

#include <cstdint>

#include "kernels/device.h"
#include "kernels/philox.h"

// What the CPU and CUDA halves of image_augment share: the plan of a batch and the maths of a
// pixel.

namespace salus::kernels {

/// What happens to one image; drawn on the host, so that both devices have the same coefficients.
struct AugmentImage {
  enum Step : std::uint32_t { kGeometry = 1, kGamma = 2, kGain = 4, kNoise = 8, kCutout = 16 };

  std::uint32_t steps = 0;
  /// Source position of output pixel (x, y): sx = to_x[0] x + to_x[1] y + to_x[2]; sy alike.
  float to_x[3] = {1, 0, 0};
  float to_y[3] = {0, 1, 0};
  float gamma = 1;
  float gain = 1;  ///< value * gain + bias, in normalised units (after gamma: from [0, 1] to them)
  float bias = 0;
  float noise = 0;  ///< standard deviation in normalised units
  int cut_top = 0, cut_left = 0, cut_bottom = 0, cut_right = 0;  ///< half open
  std::uint32_t sample_low = 0, sample_high = 0;
};

/// What the images of a batch share.
struct AugmentBatch {
  int channels = 0, height = 0, width = 0;
  bool channels_last = false;
  float fill = 0;  ///< in normalised units
  float mean = 0, stddev = 1;
  std::uint32_t epoch = 0;
  std::uint64_t seed = 0;

  SALUS_HD std::int64_t image_size() const { return std::int64_t{channels} * height * width; }
};

/// The blocks of four words of one (sample, epoch): 0 to 3 hold the draws, the rest the noise.
inline constexpr std::uint32_t kNoiseBlock = 16;

SALUS_HD PhiloxWords augment_words(const AugmentBatch& batch, std::uint32_t sample_low,
                                   std::uint32_t sample_high, std::uint32_t block) {
  return philox4x32({{block, batch.epoch, sample_low, sample_high}}, batch.seed);
}

/// The noise of the elements 4 k to 4 k + 3 of an image, counted in C, H, W order.
SALUS_HD void augment_noise(const AugmentBatch& batch, const AugmentImage& image, std::uint32_t k,
                            float (&noise)[4]) {
  const PhiloxWords words =
      augment_words(batch, image.sample_low, image.sample_high, kNoiseBlock + k);
  normal_pair<ScalarMath>(words.w[0], words.w[1], noise[0], noise[1]);
  normal_pair<ScalarMath>(words.w[2], words.w[3], noise[2], noise[3]);
}

SALUS_HD bool is_cut(const AugmentImage& image, int y, int x) {
  return y >= image.cut_top && y < image.cut_bottom && x >= image.cut_left && x < image.cut_right;
}

/// Gamma, gain and bias of one value; NaN stays NaN.
SALUS_HD float augment_intensity(const AugmentBatch& batch, const AugmentImage& image, float v) {
  if (image.steps & AugmentImage::kGamma) {
    const float unit = fminf(fmaxf(fmaf(v, batch.stddev, batch.mean), 0.0f), 1.0f);
    const float power = unit_power<ScalarMath>(unit, image.gamma);
    return v != v ? v : fmaf(power, image.gain, image.bias);
  }
  if (image.steps & AugmentImage::kGain) return fmaf(v, image.gain, image.bias);
  return v;
}

/// Weighted mean of the four neighbours; exact where a fraction is 0.
SALUS_HD float bilinear(float v00, float v01, float v10, float v11, float fx, float fy) {
  const float top = fmaf(fx, v01 - v00, v00);
  const float bottom = fmaf(fx, v11 - v10, v10);
  return fmaf(fy, bottom - top, top);
}

/// The launcher in image_augment_cuda.cu. `scalar` is at::ScalarType's number; `images` (one plan
/// per image), `in` and `out` lie on `device`.
using ImageAugmentLaunch = void(int device, int scalar, const AugmentBatch& batch, int count,
                                const AugmentImage* images, const void* in, void* out);

}  // namespace salus::kernels
