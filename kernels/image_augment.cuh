#pragma once

#include "kernels/device.h"
#include "kernels/image_augment_math.h"

// One thread makes 16 bytes of output: consecutive elements in memory order. Their four neighbours
// come through the cache, where neighbouring threads find them again; the image's plan is the same
// for the whole block and costs one broadcast.

namespace salus::kernels {

inline constexpr unsigned kAugmentThreads = 256;

inline LaunchShape image_augment_shape(const AugmentBatch& batch, int count, int per_thread) {
  const std::int64_t per_block = std::int64_t{kAugmentThreads} * per_thread;
  const auto blocks = static_cast<unsigned>((batch.image_size() + per_block - 1) / per_block);
  // Images along y stop at 65,535: the kernel strides over the rest.
  const auto images = static_cast<unsigned>(count < 65535 ? count : 65535);
  return {.grid = {blocks, images}, .block = {kAugmentThreads}};
}

/// Place of one element of an image.
struct AugmentPlace {
  int channel, y, x;

  /// `element` counts in memory order.
  SALUS_HD static AugmentPlace of(const AugmentBatch& batch, std::uint32_t element) {
    const auto width = static_cast<std::uint32_t>(batch.width);
    const auto height = static_cast<std::uint32_t>(batch.height);
    const auto channels = static_cast<std::uint32_t>(batch.channels);
    const std::uint32_t pixel = batch.channels_last ? element / channels : element;
    const std::uint32_t line = pixel / width;
    const std::uint32_t channel = batch.channels_last ? element - pixel * channels : line / height;
    const std::uint32_t y = batch.channels_last ? line : line - channel * height;
    return {static_cast<int>(channel), static_cast<int>(y), static_cast<int>(pixel - line * width)};
  }

  SALUS_HD std::int64_t offset(const AugmentBatch& batch, int at_y, int at_x) const {
    if (batch.channels_last) {
      return (std::int64_t{at_y} * batch.width + at_x) * batch.channels + channel;
    }
    return (std::int64_t{channel} * batch.height + at_y) * batch.width + at_x;
  }
};

template <typename T>
__device__ __forceinline__ float augment_tap(const T* __restrict__ image, const AugmentBatch& batch,
                                             const AugmentPlace& place, int y, int x) {
  const bool inside = static_cast<unsigned>(y) < static_cast<unsigned>(batch.height) &&
                      static_cast<unsigned>(x) < static_cast<unsigned>(batch.width);
  return inside ? to_float(image[place.offset(batch, y, x)]) : batch.fill;
}

template <typename T>
__device__ __forceinline__ float augment_sample(const T* __restrict__ image,
                                                const AugmentBatch& batch, const AugmentImage& plan,
                                                const AugmentPlace& place) {
  const auto x = static_cast<float>(place.x);
  const auto y = static_cast<float>(place.y);
  float sx = fmaf(plan.to_x[0], x, plan.to_x[1] * y + plan.to_x[2]);
  float sy = fmaf(plan.to_y[0], x, plan.to_y[1] * y + plan.to_y[2]);
  // Beyond a pixel outside of the image everything is `fill`; and int stays in range.
  sx = fminf(fmaxf(sx, -1.0f), static_cast<float>(batch.width));
  sy = fminf(fmaxf(sy, -1.0f), static_cast<float>(batch.height));
  const float left = floorf(sx);
  const float top = floorf(sy);
  const int x0 = static_cast<int>(left);
  const int y0 = static_cast<int>(top);
  return bilinear(augment_tap(image, batch, place, y0, x0),
                  augment_tap(image, batch, place, y0, x0 + 1),
                  augment_tap(image, batch, place, y0 + 1, x0),
                  augment_tap(image, batch, place, y0 + 1, x0 + 1), sx - left, sy - top);
}

/// Adds the noise of one element; `noise` holds block `*held`, which is exchanged when it ends.
__device__ __forceinline__ float augment_noise_at(const AugmentBatch& batch,
                                                  const AugmentImage& plan,
                                                  const AugmentPlace& place, float (&noise)[4],
                                                  std::uint32_t* held) {
  const auto index = static_cast<std::uint32_t>(
      (std::int64_t{place.channel} * batch.height + place.y) * batch.width + place.x);
  if (index / 4 != *held) {
    *held = index / 4;
    augment_noise(batch, plan, *held, noise);
  }
  // Chosen by comparison: an index that is not known would put the array into local memory.
  const std::uint32_t which = index % 4;
  return which < 2 ? (which == 0 ? noise[0] : noise[1]) : (which == 2 ? noise[2] : noise[3]);
}

template <typename T>
__device__ __forceinline__ float augment_element(const T* __restrict__ image,
                                                 const AugmentBatch& batch,
                                                 const AugmentImage& plan, std::uint32_t element,
                                                 float (&noise)[4], std::uint32_t* held) {
  const AugmentPlace place = AugmentPlace::of(batch, element);
  if (is_cut(plan, place.y, place.x)) return batch.fill;
  float v = (plan.steps & AugmentImage::kGeometry) ? augment_sample(image, batch, plan, place)
                                                   : to_float(image[element]);
  v = augment_intensity(batch, plan, v);
  if (plan.steps & AugmentImage::kNoise) {
    v = fmaf(augment_noise_at(batch, plan, place, noise, held), plan.noise, v);
  }
  return v;
}

/// `vectors`: every image starts and ends at a multiple of 16 bytes, in `in` and in `out`.
template <typename T>
__global__ void __launch_bounds__(kAugmentThreads)
    image_augment_kernel(AugmentBatch batch, int count, const AugmentImage* __restrict__ plans,
                         const T* __restrict__ in, T* __restrict__ out, bool vectors) {
  constexpr int kPerThread = kPer128<T>;
  const auto size = static_cast<std::uint32_t>(batch.image_size());
  const std::uint32_t first = (blockIdx.x * kAugmentThreads + threadIdx.x) * kPerThread;
  if (first >= size) return;
  const int here = static_cast<int>(size - first < kPerThread ? size - first : kPerThread);
  for (int i = blockIdx.y; i < count; i += gridDim.y) {
    const AugmentImage plan = plans[i];
    const T* image = in + std::int64_t{i} * size;
    T* to = out + std::int64_t{i} * size + first;
    Pack<T, kPerThread> made;
    if (plan.steps == 0 && vectors) {
      made = load128(image + first);
    } else {
      float noise[4] = {};
      std::uint32_t held = 0xffffffffu;
      SALUS_UNROLL for (int e = 0; e < kPerThread; ++e) {
        if (e >= here) break;
        made.v[e] =
            plan.steps == 0
                ? image[first + e]
                : from_float<T>(augment_element(image, batch, plan, first + e, noise, &held));
      }
    }
    if (vectors) {
      store128(to, made);
    } else {
      SALUS_UNROLL for (int e = 0; e < kPerThread; ++e) {
        if (e < here) to[e] = made.v[e];
      }
    }
  }
}

}  // namespace salus::kernels
