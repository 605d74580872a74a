#pragma once

// What image_preprocess() computes once per call, in double, before any pixel is touched: folded
// windows, filter taps, geometry. The CPU kernel and the CUDA kernel both run from these. No torch.

#include <cstdint>
#include <vector>

namespace salus::kernels::preprocess {

enum class PixelType : std::int32_t { kUint8, kInt8, kUint16, kInt16, kFloat32 };
enum class OutputType : std::int32_t { kFloat32, kFloat16, kBFloat16 };
enum class WindowOp : std::int32_t { kClamp, kAffine, kSigmoid, kTable };

/// Rescale, window and inversion of one image, folded: t = scale * (stored - origin) + offset, then
/// clamp(t, 0, 1), t itself, or 1 / (1 + exp(-t)). `origin` lies in the middle of the window, so
/// that inside it `stored - origin` is exact and the product at most about 1, whatever slope,
/// intercept and depth are: float32 then keeps 1e-7 where folding into `a * stored + b` would lose
/// 1e-3. kTable: table[clamp(stored - origin, 0, scale)].
struct WindowParams {
  float scale;
  float origin;
  float offset;
  float padding_low;  ///< stored values in [padding_low, padding_high] become pad_value
  float padding_high;
  float pad_value;
  /// kClamp of integers without padding: if both ends of the window are whole stored values (or
  /// beyond what the type stores), clamp(t, 0, 1) is t of clamp(stored, stored_low, stored_high),
  /// and a sum of such values can be taken in integers. Else stored_low > stored_high.
  std::int32_t stored_low;
  std::int32_t stored_high;
};

/// Filter of one axis: output o is the sum over k of weight[begin[o] + k] * source[first[o] + k],
/// k < begin[o + 1] - begin[o]. `first` never decreases. No tap has weight zero, so NaN spreads to
/// the pixels whose filter covers it and to no others.
struct Axis {
  std::vector<std::int32_t> first;
  std::vector<std::int32_t> begin;
  std::vector<float> weight;
  std::int32_t span_begin = 0;  ///< source range that is read at all
  std::int32_t span_end = 0;
  std::int32_t shared = 0;  ///< most source elements that an output and the next one share
  std::int32_t box = 0;     ///< B if output o is the plain mean of B elements from o * B on, else 0
};

/// One image: where its pixels are, what is done with them, where they go.
struct ImagePlan {
  const void* pixels;       ///< first element of the box
  std::int64_t row_stride;  ///< elements from one source row to the next
  std::int64_t box_offset;  ///< elements of the tensor before `pixels`
  const float* table;       ///< kTable: inverted already
  PixelType type;
  WindowOp op;
  std::int32_t components;  ///< 1 gray or 3 RGB, interleaved
  std::int32_t has_padding;
  std::int32_t row_axis;  ///< index into the plan's axes
  std::int32_t column_axis;
  std::int32_t top;  ///< rectangle of the output that the resized box fills; the rest is padding
  std::int32_t left;
  std::int32_t height;
  std::int32_t width;
  WindowParams window;
};

/// What all images of the batch share. Output = value * gain + bias, per channel.
struct OutputPlan {
  void* data;
  OutputType type;
  std::int32_t channels;
  std::int32_t height;
  std::int32_t width;
  float gain[3];
  float bias[3];
  float pad_value;
};

struct Plan {
  std::vector<ImagePlan> images;
  std::vector<Axis> axes;
  std::vector<std::vector<float>> tables;
  OutputPlan output;
};

/// The CPU kernel: Highway, threads over strips of output rows. `output` is the plan's with memory.
void run_on_cpu(const Plan& plan, const OutputPlan& output);

}  // namespace salus::kernels::preprocess
