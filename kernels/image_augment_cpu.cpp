// CPU half of image_augment: threads over images, vectors over the pixels of a row.
#include <ATen/Parallel.h>
#include <c10/core/ScalarType.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/image_augment_plan.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/image_augment_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace salus::kernels {
namespace HWY_NAMESPACE {

#include "kernels/image_augment_rows-inl.h"

/// Working memory of one thread.
struct Scratch {
  std::vector<float> plane;  ///< one channel with a border of `fill`
  std::vector<float> row;
  std::vector<float> noise;
};

/// The noise of consecutive elements, generated a stretch ahead.
class NoiseStream {
 public:
  NoiseStream(const AugmentBatch& batch, const AugmentImage& image, std::vector<float>& buffer)
      : batch_(batch), image_(image), buffer_(buffer) {}

  /// The noise of elements [first, first + count).
  const float* at(std::int64_t first, std::int64_t count) {
    if (first + count > end_) refill(first, count);
    return buffer_.data() + (first - begin_);
  }

 private:
  void refill(std::int64_t first, std::int64_t count) {
    constexpr std::int64_t kAhead = 4096;
    begin_ = first / 4 * 4;
    const std::int64_t wanted =
        std::min(std::max(first + count - begin_, kAhead), batch_.image_size() - begin_);
    const std::int64_t blocks = (wanted + 3) / 4;
    end_ = begin_ + 4 * blocks;
    buffer_.resize(static_cast<std::size_t>(4 * blocks + kNoiseSlack));
    fill_noise(batch_, image_, static_cast<std::uint32_t>(begin_ / 4), blocks, buffer_.data());
  }

  const AugmentBatch& batch_;
  const AugmentImage& image_;
  std::vector<float>& buffer_;
  std::int64_t begin_ = 0;
  std::int64_t end_ = 0;
};

/// Distances between elements of an image in memory.
struct Strides {
  std::int64_t channel, row, pixel;
};

Strides strides_of(const AugmentBatch& batch) {
  if (batch.channels_last) return {1, std::int64_t{batch.width} * batch.channels, batch.channels};
  return {std::int64_t{batch.height} * batch.width, batch.width, 1};
}

template <typename T>
void load_plane(const T* channel, const Strides& strides, const AugmentBatch& batch,
                std::vector<float>& plane) {
  const std::int64_t pitch = batch.width + 3;
  plane.assign(static_cast<std::size_t>(pitch * (batch.height + 3)), batch.fill);
  for (std::int64_t y = 0; y < batch.height; ++y) {
    load_row(channel + y * strides.row, strides.pixel, batch.width,
             plane.data() + (y + 1) * pitch + 1);
  }
}

template <typename T>
void augment_channel(const T* in, T* out, int channel, const AugmentBatch& batch,
                     const AugmentImage& image, NoiseStream& noise, Scratch& scratch) {
  const Strides strides = strides_of(batch);
  in += channel * strides.channel;
  out += channel * strides.channel;
  const bool moved = image.steps & AugmentImage::kGeometry;
  if (moved) load_plane(in, strides, batch, scratch.plane);
  float* row = scratch.row.data();
  for (int y = 0; y < batch.height; ++y) {
    if (moved) {
      sample_row(scratch.plane.data(), batch, image, y, row);
    } else {
      load_row(in + y * strides.row, strides.pixel, batch.width, row);
    }
    if (image.steps & (AugmentImage::kGamma | AugmentImage::kGain)) {
      change_intensity(batch, image, row);
    }
    if (image.steps & AugmentImage::kNoise) {
      const std::int64_t first = (std::int64_t{channel} * batch.height + y) * batch.width;
      add_noise(noise.at(first, batch.width), image.noise, batch.width, row);
    }
    if (y >= image.cut_top && y < image.cut_bottom) {
      std::fill(row + image.cut_left, row + image.cut_right, batch.fill);
    }
    store_row(row, batch.width, out + y * strides.row, strides.pixel);
  }
}

template <typename T>
void augment_images(const AugmentBatch& batch, int count, const AugmentImage* images, const T* in,
                    T* out) {
  const std::int64_t size = batch.image_size();
  at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    Scratch scratch;
    scratch.row.resize(static_cast<std::size_t>(batch.width + kRowSlack));
    for (std::int64_t i = begin; i < end; ++i) {
      if (images[i].steps == 0) {
        std::copy_n(in + i * size, size, out + i * size);
        continue;
      }
      NoiseStream noise(batch, images[i], scratch.noise);
      for (int c = 0; c < batch.channels; ++c) {
        augment_channel(in + i * size, out + i * size, c, batch, images[i], noise, scratch);
      }
    }
  });
}

void augment_any(int scalar, const AugmentBatch& batch, int count, const AugmentImage* images,
                 const void* in, void* out) {
  switch (static_cast<c10::ScalarType>(scalar)) {
    case c10::ScalarType::Half:
      return augment_images(batch, count, images, static_cast<const Half*>(in),
                            static_cast<Half*>(out));
    case c10::ScalarType::BFloat16:
      return augment_images(batch, count, images, static_cast<const BFloat16*>(in),
                            static_cast<BFloat16*>(out));
    default:
      return augment_images(batch, count, images, static_cast<const float*>(in),
                            static_cast<float*>(out));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace salus::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace salus::kernels {

HWY_EXPORT(augment_any);

void image_augment_cpu(int scalar, const AugmentBatch& batch, int count, const AugmentImage* images,
                       const void* in, void* out) {
  HWY_DYNAMIC_DISPATCH(augment_any)(scalar, batch, count, images, in, out);
}

}  // namespace salus::kernels
#endif
