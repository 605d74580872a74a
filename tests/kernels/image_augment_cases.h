#pragma once

#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "kernels/image_augment.h"
#include "tests/support/reference/image_augment.h"

// What the tests of image_augment share, on whichever device.

namespace salus::kernels {

/// Everything at once.
inline AugmentSpec strong_spec() {
  AugmentSpec spec;
  spec.rotate = 25, spec.translate = 0.1, spec.scale_low = 0.8, spec.scale_high = 1.3;
  spec.shear = 12, spec.flip = 0.5;
  spec.gain_low = 0.8, spec.gain_high = 1.2, spec.bias_low = -0.1, spec.bias_high = 0.1;
  spec.gamma_low = 0.7, spec.gamma_high = 1.5, spec.noise_low = 0.01, spec.noise_high = 0.1;
  spec.cutout = 0.3, spec.cutout_probability = 0.5, spec.fill = 0.25;
  spec.mean = 0.5, spec.stddev = 0.25;
  return spec;
}

/// Smooth images with some structure, v01 in [0.1, 0.9], normalised by `spec`.
inline at::Tensor test_images(int n, int c, int h, int w, const AugmentSpec& spec) {
  std::vector<float> values;
  for (int i = 0; i < n * c; ++i) {
    for (int y = 0; y < h; ++y) {
      for (int x = 0; x < w; ++x) {
        const double v01 = 0.5 + 0.2 * std::sin(0.4 * x + i) + 0.2 * std::cos(0.3 * y - 0.7 * i);
        values.push_back(static_cast<float>((v01 - spec.mean) / spec.stddev));
      }
    }
  }
  return at::from_blob(values.data(), {n, c, h, w}, at::kFloat).clone();
}

inline at::Tensor positions(std::vector<std::int64_t> samples) { return at::tensor(samples); }

inline double unit_in_last_place(at::ScalarType type, double value) {
  const int digits = type == at::kHalf ? 11 : type == at::kBFloat16 ? 8 : 24;
  const double exponent = std::floor(std::log2(std::max(std::abs(value), 1e-4)));
  return std::pow(2.0, exponent - digits + 1);
}

/// Expects each image of `actual` to be what the float64 reference makes of `input`.
inline void expect_reference(const at::Tensor& actual, const at::Tensor& input,
                             const std::vector<std::int64_t>& samples, std::int64_t epoch,
                             std::uint64_t seed, const AugmentSpec& spec) {
  const at::Tensor in = input.cpu().to(at::kDouble).contiguous();
  const at::Tensor out = actual.cpu().to(at::kDouble).contiguous();
  const int c = in.size(1), h = in.size(2), w = in.size(3);
  int wrong = 0;
  for (std::int64_t n = 0; n < in.size(0); ++n) {
    const double* begin = in.const_data_ptr<double>() + n * c * h * w;
    const auto expected = reference::image_augment({begin, begin + c * h * w}, c, h, w, samples[n],
                                                   epoch, seed, spec);
    for (int i = 0; i < c * h * w; ++i) {
      const double value = out.const_data_ptr<double>()[n * c * h * w + i];
      // float32 positions of up to `w` pixels are off by their rounding, times the image's slope.
      const double tolerance = unit_in_last_place(actual.scalar_type(), expected.values[i]) + 2e-5 +
                               expected.slope[i] * (w + h) * 3e-7;
      if (std::abs(value - expected.values[i]) <= tolerance) continue;
      if (++wrong > 5) return;
      ADD_FAILURE() << "sample " << samples[n] << " element " << i << ": " << value
                    << " instead of " << expected.values[i] << " +- " << tolerance;
    }
  }
}

}  // namespace salus::kernels
