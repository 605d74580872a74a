#include "tests/support/reference/image_augment.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>

namespace salus::reference {
namespace {

constexpr double kPi = std::numbers::pi;

/// The draws of one (sample, epoch) by their number in the contract.
class Draws {
 public:
  Draws(std::int64_t sample, std::int64_t epoch, std::uint64_t seed)
      : sample_(static_cast<std::uint64_t>(sample)),
        epoch_(static_cast<std::uint32_t>(epoch)),
        key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)} {}

  std::array<std::uint32_t, 4> block(std::uint64_t number) const {
    return philox4x32_10(
        {static_cast<std::uint32_t>(number), epoch_, static_cast<std::uint32_t>(sample_),
         static_cast<std::uint32_t>(sample_ >> 32)},
        key_);
  }
  double unit(int draw) const { return (block(draw / 4)[draw % 4] + 0.5) / 4294967296.0; }
  double in(int draw, double low, double high) const { return low + (high - low) * unit(draw); }

  /// Box-Muller as a complex number: radius and angle of a pair.
  double normal(std::uint64_t element) const {
    const auto words = block(16 + element / 4);
    const int pair = static_cast<int>(element % 4) / 2;
    const double radius = std::sqrt(-2 * std::log((words[2 * pair] + 0.5) / 4294967296.0));
    const double angle = 2 * kPi * (words[2 * pair + 1] / 4294967296.0);
    const std::complex<double> both = std::polar(radius, angle);
    return element % 2 == 0 ? both.real() : both.imag();
  }

 private:
  std::uint64_t sample_;
  std::uint32_t epoch_;
  std::array<std::uint32_t, 2> key_;
};

/// Where a point of the source, counted from the centre, lands; to be inverted numerically.
struct Motion {
  double a, b, c, d, shift_x, shift_y;  // (x, y) -> (a x + b y, c x + d y) + shift

  Motion(const Draws& draws, const kernels::AugmentSpec& spec, int height, int width) {
    const double angle = draws.in(0, -spec.rotate, spec.rotate) * kPi / 180;
    const double zoom = draws.in(1, spec.scale_low, spec.scale_high);
    const double lean = std::tan(draws.in(2, -spec.shear, spec.shear) * kPi / 180);
    const double mirror = draws.unit(5) < spec.flip ? -1 : 1;
    // y points down: counter-clockwise on the screen takes (1, 0) to (cos, -sin).
    const double cosine = std::cos(angle), sine = std::sin(angle);
    const double rotation[2][2] = {{cosine, sine}, {-sine, cosine}};
    const double shear[2][2] = {{1, lean}, {0, 1}};
    const double scale[2][2] = {{zoom * mirror, 0}, {0, zoom}};
    double product[2][2] = {};
    for (int i = 0; i < 2; ++i) {
      for (int j = 0; j < 2; ++j) {
        for (int k = 0; k < 2; ++k) {
          for (int l = 0; l < 2; ++l) product[i][j] += rotation[i][k] * shear[k][l] * scale[l][j];
        }
      }
    }
    a = product[0][0], b = product[0][1], c = product[1][0], d = product[1][1];
    shift_x = draws.in(3, -spec.translate, spec.translate) * width;
    shift_y = draws.in(4, -spec.translate, spec.translate) * height;
  }

  /// The source point that lands at (x, y), by Cramer's rule.
  void invert(double x, double y, double& source_x, double& source_y) const {
    const double u = x - shift_x, v = y - shift_y;
    const double determinant = a * d - b * c;
    source_x = (u * d - b * v) / determinant;
    source_y = (a * v - u * c) / determinant;
  }
};

/// Bilinear interpolation of the image that is `fill` outside of its pixels.
double interpolate(const double* plane, int height, int width, double x, double y, double fill) {
  double sum = 0;
  for (int dy = 0; dy < 2; ++dy) {
    for (int dx = 0; dx < 2; ++dx) {
      const double px = std::floor(x) + dx, py = std::floor(y) + dy;
      const double weight = (1 - std::abs(x - px)) * (1 - std::abs(y - py));
      const bool inside = px >= 0 && px < width && py >= 0 && py < height;
      const double value =
          inside ? plane[static_cast<int>(py) * width + static_cast<int>(px)] : fill;
      if (weight != 0) sum += weight * value;
    }
  }
  return sum;
}

bool in_cutout(const Draws& draws, const kernels::AugmentSpec& spec, int height, int width, int y,
               int x) {
  if (spec.cutout == 0 || draws.unit(10) >= spec.cutout_probability) return false;
  const auto inside = [](double center, double side, int at) {
    return at >= std::lround(center - side / 2) && at < std::lround(center + side / 2);
  };
  return inside(draws.in(11, 0, height), spec.cutout * height, y) &&
         inside(draws.in(12, 0, width), spec.cutout * width, x);
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32_10(std::array<std::uint32_t, 4> counter,
                                           std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t left = 0xD2511F53ull * counter[0];
    const std::uint64_t right = 0xCD9E8D57ull * counter[2];
    counter = {static_cast<std::uint32_t>(right >> 32) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(right),
               static_cast<std::uint32_t>(left >> 32) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(left)};
    key[0] += 0x9E3779B9u;  // golden ratio
    key[1] += 0xBB67AE85u;  // square root of 3, less 1
  }
  return counter;
}

AugmentedImage image_augment(const std::vector<double>& image, int channels, int height, int width,
                             std::int64_t sample, std::int64_t epoch, std::uint64_t seed,
                             const kernels::AugmentSpec& spec) {
  const Draws draws(sample, epoch, seed);
  const Motion motion(draws, spec, height, width);
  const double gamma = draws.in(6, spec.gamma_low, spec.gamma_high);
  const double gain = draws.in(7, spec.gain_low, spec.gain_high);
  const double bias = draws.in(8, spec.bias_low, spec.bias_high);
  const double noise = draws.in(9, spec.noise_low, spec.noise_high);
  AugmentedImage result;
  for (std::uint64_t i = 0; i < image.size(); ++i) {
    const int x = static_cast<int>(i % width);
    const int y = static_cast<int>(i / width % height);
    const double* plane = image.data() + i / width / height * width * height;
    double sx = 0, sy = 0;
    motion.invert(x - (width - 1) / 2.0, y - (height - 1) / 2.0, sx, sy);
    sx += (width - 1) / 2.0, sy += (height - 1) / 2.0;
    const double fill = (spec.fill - spec.mean) / spec.stddev;
    const double value = interpolate(plane, height, width, sx, sy, fill);
    double steepest = 0;
    for (const double step : {-0.01, 0.01}) {
      const double there_x = interpolate(plane, height, width, sx + step, sy, fill);
      const double there_y = interpolate(plane, height, width, sx, sy + step, fill);
      steepest = std::max({steepest, std::abs(there_x - value), std::abs(there_y - value)});
    }
    double unit = value * spec.stddev + spec.mean;
    if (spec.gamma_low != 1 || spec.gamma_high != 1) {
      unit = std::pow(std::clamp(unit, 0.0, 1.0), gamma);
    }
    unit = unit * gain + bias + noise * draws.normal(i);
    const bool cut = in_cutout(draws, spec, height, width, y, x);
    result.values.push_back(cut ? fill : (unit - spec.mean) / spec.stddev);
    result.slope.push_back(steepest / 0.01);
  }
  return result;
}

}  // namespace salus::reference
