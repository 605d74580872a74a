#pragma once

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/reference/clahe.h"

// What the tests of clahe and histogram_equalize share, on whichever device.

namespace salus::kernels {

/// The formula of tests/support/golden/make_clahe.py; another `variant` gives another picture.
inline int picture_value(int y, int x, int bits, int variant = 0) {
  const int scrambled = (y * 7919 + x * 10473 + x * y * 31 + variant * 4057) % 65536;
  const int bands = (x + 2 * y + 11 * variant) % 97 * 512;
  return (bands + scrambled / 4) >> (16 - bits);
}

/// `values` as uint8 (for 8 bits or fewer) or uint16 of `shape`.
inline at::Tensor stored(const std::vector<int>& values, at::IntArrayRef shape, bool bytes) {
  at::Tensor image = at::empty(shape, bytes ? at::kByte : at::kUInt16);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (bytes) {
      static_cast<std::uint8_t*>(image.mutable_data_ptr())[i] =
          static_cast<std::uint8_t>(values[i]);
    } else {
      static_cast<std::uint16_t*>(image.mutable_data_ptr())[i] =
          static_cast<std::uint16_t>(values[i]);
    }
  }
  return image;
}

inline std::vector<int> values_of(const at::Tensor& tensor) {
  const at::Tensor image = tensor.cpu().contiguous();
  std::vector<int> values;
  for (std::int64_t i = 0; i < image.numel(); ++i) {
    values.push_back(image.scalar_type() == at::kByte
                         ? static_cast<const std::uint8_t*>(image.const_data_ptr())[i]
                         : static_cast<const std::uint16_t*>(image.const_data_ptr())[i]);
  }
  return values;
}

inline std::vector<int> picture_values(int height, int width, int bits, int variant = 0) {
  std::vector<int> values;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) values.push_back(picture_value(y, x, bits, variant));
  }
  return values;
}

/// [height, width] of the smallest type that holds `bits`.
inline at::Tensor picture(int height, int width, int bits, int variant = 0) {
  return stored(picture_values(height, width, bits, variant), {height, width}, bits <= 8);
}

inline void expect_within(const std::vector<int>& actual,
                          const reference::EqualizedImage& expected) {
  ASSERT_EQ(actual.size(), expected.values.size());
  int wrong = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (std::abs(actual[i] - expected.values[i]) <= expected.tolerance[i]) continue;
    if (++wrong > 5) return;
    ADD_FAILURE() << "pixel " << i << ": " << actual[i] << " instead of " << expected.values[i]
                  << " +- " << expected.tolerance[i];
  }
}

}  // namespace salus::kernels
