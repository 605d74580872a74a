#include "kernels/image_augment_plan.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace salus::kernels {
namespace {

/// The draws of one image, in the order of the contract.
class Draws {
 public:
  Draws(const AugmentBatch& batch, std::int64_t sample) {
    const auto bits = static_cast<std::uint64_t>(sample);
    for (std::uint32_t block = 0; block < 4; ++block) {
      const PhiloxWords words = augment_words(batch, static_cast<std::uint32_t>(bits),
                                              static_cast<std::uint32_t>(bits >> 32), block);
      std::copy_n(words.w, 4, words_ + 4 * block);
    }
  }

  /// Uniform in (low, high); a range of one point gives that point exactly.
  double between(int draw, double low, double high) const {
    return low == high ? low : low + unit(draw) * (high - low);
  }
  double around_zero(int draw, double limit) const { return between(draw, -limit, limit); }
  bool happens(int draw, double probability) const { return unit(draw) < probability; }

 private:
  double unit(int draw) const { return (words_[draw] + 0.5) * 0x1p-32; }

  std::uint32_t words_[16];
};

/// Names of the draws: the numbers are part of the contract.
enum Draw {
  kRotate,
  kScale,
  kShear,
  kTranslateX,
  kTranslateY,
  kFlip,
  kGammaDraw,
  kGainDraw,
  kBiasDraw,
  kNoiseDraw,
  kCutoutDraw,
  kCutoutY,
  kCutoutX
};

void draw_geometry(const AugmentSpec& spec, const AugmentBatch& batch, const Draws& draws,
                   AugmentImage& image) {
  constexpr double kRadians = std::numbers::pi / 180;
  const double angle = draws.around_zero(kRotate, spec.rotate) * kRadians;
  const double shear = std::tan(draws.around_zero(kShear, spec.shear) * kRadians);
  const double zoom = draws.between(kScale, spec.scale_low, spec.scale_high);
  const double shift_x = draws.around_zero(kTranslateX, spec.translate) * batch.width;
  const double shift_y = draws.around_zero(kTranslateY, spec.translate) * batch.height;
  const double mirror = draws.happens(kFlip, spec.flip) ? -1 : 1;
  if (angle == 0 && shear == 0 && zoom == 1 && shift_x == 0 && shift_y == 0 && mirror == 1) return;
  image.steps |= AugmentImage::kGeometry;
  // Output position -> source position: undo the shift, the rotation, the shear, the zoom and the
  // mirror, in this order, about the image's centre.
  const double c = std::cos(angle);
  const double s = std::sin(angle);
  const double xx = mirror * (c - shear * s) / zoom;
  const double xy = mirror * (-s - shear * c) / zoom;
  const double yx = s / zoom;
  const double yy = c / zoom;
  const double center_x = (batch.width - 1) / 2.0;
  const double center_y = (batch.height - 1) / 2.0;
  const double from_x = center_x + shift_x;
  const double from_y = center_y + shift_y;
  const double to_x[3] = {xx, xy, center_x - xx * from_x - xy * from_y};
  const double to_y[3] = {yx, yy, center_y - yx * from_x - yy * from_y};
  std::copy_n(to_x, 3, image.to_x);
  std::copy_n(to_y, 3, image.to_y);
}

void draw_intensity(const AugmentSpec& spec, const Draws& draws, AugmentImage& image) {
  const double gamma = draws.between(kGammaDraw, spec.gamma_low, spec.gamma_high);
  const double gain = draws.between(kGainDraw, spec.gain_low, spec.gain_high);
  const double bias = draws.between(kBiasDraw, spec.bias_low, spec.bias_high);
  const double noise = draws.between(kNoiseDraw, spec.noise_low, spec.noise_high);
  if (gamma != 1) {
    image.steps |= AugmentImage::kGamma;
    image.gamma = static_cast<float>(gamma);
    image.gain = static_cast<float>(gain / spec.stddev);
    image.bias = static_cast<float>((bias - spec.mean) / spec.stddev);
  } else if (gain != 1 || bias != 0) {
    image.steps |= AugmentImage::kGain;
    image.gain = static_cast<float>(gain);
    image.bias = static_cast<float>((spec.mean * gain + bias - spec.mean) / spec.stddev);
  }
  if (noise != 0) {
    image.steps |= AugmentImage::kNoise;
    image.noise = static_cast<float>(noise / spec.stddev);
  }
}

/// The part of a square of side `side` around `center` that lies inside [0, size).
void cut_range(double center, double side, int size, int& begin, int& end) {
  begin = std::clamp(static_cast<int>(std::lround(center - side / 2)), 0, size);
  end = std::clamp(static_cast<int>(std::lround(center + side / 2)), 0, size);
}

void draw_cutout(const AugmentSpec& spec, const AugmentBatch& batch, const Draws& draws,
                 AugmentImage& image) {
  if (spec.cutout == 0 || !draws.happens(kCutoutDraw, spec.cutout_probability)) return;
  image.steps |= AugmentImage::kCutout;
  const double center_y = draws.between(kCutoutY, 0, batch.height);
  const double center_x = draws.between(kCutoutX, 0, batch.width);
  cut_range(center_y, spec.cutout * batch.height, batch.height, image.cut_top, image.cut_bottom);
  cut_range(center_x, spec.cutout * batch.width, batch.width, image.cut_left, image.cut_right);
}

}  // namespace

AugmentImage draw_augmentation(const AugmentSpec& spec, const AugmentBatch& batch,
                               std::int64_t sample) {
  const Draws draws(batch, sample);
  AugmentImage image;
  image.sample_low = static_cast<std::uint32_t>(sample);
  image.sample_high = static_cast<std::uint32_t>(static_cast<std::uint64_t>(sample) >> 32);
  draw_geometry(spec, batch, draws, image);
  draw_intensity(spec, draws, image);
  draw_cutout(spec, batch, draws, image);
  return image;
}

}  // namespace salus::kernels
