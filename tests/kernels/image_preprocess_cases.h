#pragma once

#include <ATen/Functions.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/image_preprocess.h"

namespace salus::kernels::cases {

/// Random stored values over the whole range of T (float32: [-1000, 3000), like CT).
template <class T>
at::Tensor random_pixels(std::vector<std::int64_t> shape, unsigned seed) {
  at::Tensor pixels = at::empty(shape, at::TensorOptions(c10::CppTypeToScalarType<T>::value));
  std::mt19937 generator(seed);
  T* to = pixels.mutable_data_ptr<T>();
  for (std::int64_t i = 0; i < pixels.numel(); ++i) {
    if constexpr (std::is_floating_point_v<T>) {
      to[i] = std::uniform_real_distribution<T>(-1000, 3000)(generator);
    } else {
      using Limits = std::numeric_limits<T>;
      to[i] = static_cast<T>(
          std::uniform_int_distribution<int>(Limits::min(), Limits::max())(generator));
    }
  }
  return pixels;
}

inline at::Tensor random_pixels(at::ScalarType type, std::vector<std::int64_t> shape,
                                unsigned seed) {
  switch (type) {
    case at::kByte:
      return random_pixels<std::uint8_t>(std::move(shape), seed);
    case at::kChar:
      return random_pixels<std::int8_t>(std::move(shape), seed);
    case at::kUInt16:
      return random_pixels<std::uint16_t>(std::move(shape), seed);
    case at::kShort:
      return random_pixels<std::int16_t>(std::move(shape), seed);
    default:
      return random_pixels<float>(std::move(shape), seed);
  }
}

/// An image whose window covers the middle half of what its type can store.
inline PreprocessImage middle_window(at::Tensor pixels) {
  PreprocessImage image;
  const at::ScalarType type = pixels.scalar_type();
  const bool narrow = type == at::kByte || type == at::kChar;
  const bool is_signed = type == at::kChar || type == at::kShort;
  image.width = type == at::kFloat ? 2000 : narrow ? 128 : 32768;
  image.center = type == at::kFloat ? 1000 : is_signed ? 0 : image.width;
  image.pixels = std::move(pixels);
  return image;
}

inline std::vector<PreprocessImage> one(PreprocessImage image) { return {std::move(image)}; }

/// Whether two tensors hold the same bits (NaN included).
inline bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes() || a.scalar_type() != b.scalar_type()) return false;
  const auto* left = static_cast<const char*>(a.const_data_ptr());
  return std::equal(left, left + a.nbytes(), static_cast<const char*>(b.const_data_ptr()));
}

}  // namespace salus::kernels::cases
