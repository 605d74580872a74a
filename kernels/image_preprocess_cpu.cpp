// CPU kernel. Work is cut into strips of output rows; threads take the next strip when they are
// done. Each strip goes row by row: the source rows of an output row are windowed and summed in
// registers (image_preprocess_rows-inl.h), then its columns are resampled
// (image_preprocess_columns-inl.h). Every output pixel is the same sum in the same order whatever
// the strips and threads are.

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/device.h"
#include "kernels/image_preprocess_plan.h"

// Three builds of the kernel are enough: SSSE3 (every x86-64 processor since 2011), AVX2 and
// AVX-512.
#define HWY_WANT_SSSE3 1
#define HWY_DISABLED_TARGETS HWY_SSE4
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/image_preprocess_cpu.cpp"
#include <hwy/foreach_target.h>
// Highway's own header last: it reads HWY_TARGET.
#include <hwy/aligned_allocator.h>
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#ifndef SALUS_IMAGE_PREPROCESS_CPU_ONCE
#define SALUS_IMAGE_PREPROCESS_CPU_ONCE
namespace salus::kernels::preprocess {

/// Output rows [begin, end) of one image.
struct Strip {
  std::int32_t image, begin, end;
};

/// Scratch memory of one thread, kept between calls: fresh pages would cost more than the work.
class Scratch {
 public:
  float* floats(std::int64_t count) {
    const auto wanted = static_cast<std::size_t>(count);
    if (wanted > size_) {
      memory_ = hwy::AllocateAligned<float>(wanted);
      std::fill_n(memory_.get(), wanted, 0.0F);
      size_ = wanted;
    }
    return memory_.get();
  }

 private:
  hwy::AlignedFreeUniquePtr<float[]> memory_;
  std::size_t size_ = 0;
};

inline std::int64_t pixel_bytes(PixelType type) {
  if (type == PixelType::kFloat32) return 4;
  return type == PixelType::kUint16 || type == PixelType::kInt16 ? 2 : 1;
}

/// Whole cache lines, and one more that vectors may read beyond the end.
inline std::int64_t padded(std::int64_t floats) { return (floats + 15) / 16 * 16 + 64; }

}  // namespace salus::kernels::preprocess
#endif

HWY_BEFORE_NAMESPACE();
namespace salus::kernels::preprocess::HWY_NAMESPACE {

#include "kernels/image_preprocess_math.h"
//
#include "kernels/image_preprocess_rows-inl.h"
//
#include "kernels/image_preprocess_columns-inl.h"

/// The rectangle of one strip that the resized box fills, cut into groups of kLanes rows.
class StripRunner {
 public:
  StripRunner(const Plan& plan, const OutputPlan& output, const Strip& strip, Scratch& scratch)
      : image_(plan.images[strip.image]),
        rows_(plan.axes[image_.row_axis]),
        columns_(plan.axes[image_.column_axis]),
        writer_(output, strip.image),
        elements_(std::int64_t{columns_.span_end - columns_.span_begin} * image_.components),
        stride_(padded(elements_)),
        component_stride_(padded(image_.width)),
        row_stride_(component_stride_ * image_.components) {
    constexpr auto kRows = static_cast<std::int64_t>(kLanes);
    float* next = scratch.floats((rows_.shared + 1 + 2 * kRows) * stride_ + kRows * row_stride_);
    const auto take = [&next](std::int64_t floats) { return std::exchange(next, next + floats); };
    ring_ = take(rows_.shared * stride_);
    lost_ = take(stride_);
    lines_ = take(kRows * stride_);
    turned_ = take(kRows * stride_);
    resampled_ = take(kRows * row_stride_);
  }

  /// Rows [begin, end) of the resized image.
  void run(std::int32_t begin, std::int32_t end) {
    RowResampler resampler(image_, rows_, columns_, ring_, lost_, stride_);
    const bool whole_boxes = columns_.box >= 1 && columns_.box <= 4 && image_.components == 1;
    const std::int32_t group = whole_boxes ? 1 : static_cast<std::int32_t>(kLanes);
    for (std::int32_t o = begin; o < end; o += group) {
      const std::int32_t count = std::min(group, end - o);
      for (std::int32_t r = 0; r < count; ++r) {
        resampler.run(o + r, o + r + 1 == end, lines_ + r * stride_);
      }
      if (whole_boxes) {
        average_columns(lines_, columns_, resampled_);
      } else {
        transpose_rows(lines_, stride_, elements_, turned_);
        resample_columns(turned_, columns_, image_.components, resampled_, row_stride_,
                         component_stride_);
      }
      for (std::int32_t r = 0; r < count; ++r) {
        writer_.write(image_.top + o + r, image_.left, image_.width, resampled_ + r * row_stride_,
                      component_stride_, image_.components);
      }
    }
  }

 private:
  const ImagePlan& image_;
  const Axis& rows_;
  const Axis& columns_;
  RowWriter writer_;
  std::int64_t elements_, stride_, component_stride_, row_stride_;
  float *ring_, *lost_, *lines_, *turned_, *resampled_;
};

void run_strip(const Plan& plan, const OutputPlan& output, const Strip& strip, Scratch& scratch) {
  const ImagePlan& image = plan.images[strip.image];
  const std::int32_t right = image.left + image.width;
  const RowWriter writer(output, strip.image);
  for (std::int32_t y = strip.begin; y < strip.end; ++y) {
    const bool inside = y >= image.top && y < image.top + image.height;
    writer.fill(y, 0, inside ? image.left : output.width);
    if (inside) writer.fill(y, right, output.width - right);
  }
  const std::int32_t begin = std::max(strip.begin - image.top, 0);
  const std::int32_t end = std::min(strip.end - image.top, image.height);
  if (begin < end) StripRunner(plan, output, strip, scratch).run(begin, end);
}

}  // namespace salus::kernels::preprocess::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace salus::kernels::preprocess {
namespace {

HWY_EXPORT(run_strip);

/// Source and output elements that one output row of `image` touches.
std::int64_t row_cost(const Plan& plan, const ImagePlan& image) {
  const Axis& rows = plan.axes[image.row_axis];
  const Axis& columns = plan.axes[image.column_axis];
  const auto terms = static_cast<std::int64_t>(rows.weight.size() / rows.first.size());
  const std::int64_t span = columns.span_end - columns.span_begin;
  return (terms + 1) * span * image.components +
         2 * std::int64_t{plan.output.width} * plan.output.channels;
}

/// Below this many elements (some 10 us of work) waking another thread costs more than it saves.
constexpr std::int64_t kSmallestStrip = 32 * 1024;
constexpr std::int64_t kLargestStrip = 512 * 1024;
constexpr std::int64_t kRowsOfStrip = 16;  // a multiple of every target's kLanes

std::vector<Strip> cut_into_strips(const Plan& plan, std::int64_t threads) {
  std::int64_t total = 0;
  for (const ImagePlan& image : plan.images) total += row_cost(plan, image) * plan.output.height;
  const std::int64_t target = std::clamp(total / (4 * threads), kSmallestStrip, kLargestStrip);
  std::vector<Strip> strips;
  for (std::size_t i = 0; i < plan.images.size(); ++i) {
    const std::int64_t rows = target / row_cost(plan, plan.images[i]);
    const std::int64_t step = (rows + kRowsOfStrip - 1) / kRowsOfStrip * kRowsOfStrip;
    const auto whole = static_cast<std::int32_t>(
        std::clamp<std::int64_t>(step, kRowsOfStrip, std::int64_t{1} << 24));
    for (std::int32_t y = 0; y < plan.output.height; y += whole) {
      strips.push_back({static_cast<std::int32_t>(i), y, std::min(plan.output.height, y + whole)});
    }
  }
  return strips;
}

}  // namespace

void run_on_cpu(const Plan& plan, const OutputPlan& output) {
  const std::int64_t threads = at::in_parallel_region() ? 1 : at::get_num_threads();
  const std::vector<Strip> strips = cut_into_strips(plan, threads);
  const auto count = static_cast<std::int64_t>(strips.size());
  const auto run = HWY_DYNAMIC_DISPATCH(run_strip);
  std::atomic<std::int64_t> next{0};
  const auto work = [&](std::int64_t, std::int64_t) {
    thread_local Scratch scratch;
    for (std::int64_t s = next++; s < count; s = next++) {
      run(plan, output, strips[static_cast<std::size_t>(s)], scratch);
    }
  };
  // The range says only how many threads come; they share the strips themselves, because images of
  // a batch may differ a hundredfold in size.
  at::parallel_for(0, std::min(threads, count), 1, work);
}

}  // namespace salus::kernels::preprocess
#endif
