#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "engine/core/config.h"
#include "engine/data/equalize.h"
#include "engine/io/image.h"
#include "kernels/image_preprocess.h"

namespace salus::data {

/// How an image becomes the model's input: the [transform] table of a config or bundle. The same
/// code runs in training, evaluation, prediction and serving.
///
///   [transform]
///   size = [224, 224]        # height, width
///   channels = 1
///   window = [40, 400]       # centre, width in modality units; or "file" (the file's first VOI
///   LUT
///                            # or window, else "full"), "full" (the range of BitsStored), "minmax"
///                            # (of the frame, padding left out)
///   equalize = "none"        # none, clahe, histogram: before the window (see equalize.h)
///   equalize_clip = 2.0      # clahe: limit of a bin in mean counts, 0 = none
///   equalize_tiles = [8, 8]  # clahe: tiles below and beside each other
///   resize = "area"          # area, bilinear, bilinear-antialias, nearest
///   fit = "stretch"          # stretch, pad, crop
///   pad_value = 0.0          # in [0, 1], for borders and for pixel padding
///   mean = [0.5]
///   std = [0.5]
///   frames = "middle"        # first, middle, all, or an index counted from 0
///   pool = "mean"            # how the logits of several frames become one: mean, max
class Transform {
 public:
  /// \throws UsageError for a bad or unknown key.
  explicit Transform(const Config& table);

  /// Frames of `image` that are scored, in order.
  /// \throws Error if the image has no such frame.
  std::vector<std::int64_t> frames(const io::Image& image) const;

  /// Kernel parameters of one frame. The result's pixels share the image's memory where the kernel
  /// takes the type as it is; 32-bit and float64 pixels are widened to float32 first, and equalised
  /// ones are new.
  /// \throws Error if the image has no pixels, or cannot be equalised.
  kernels::PreprocessImage compile(const io::Image& image, std::int64_t frame) const;

  /// The whole way for one frame: float32 [channels, height, width].
  at::Tensor apply(const io::Image& image, std::int64_t frame) const;

  const kernels::PreprocessSpec& spec() const { return spec_; }
  bool pool_max() const { return pool_max_; }

 private:
  enum class WindowKind { kFixed, kFile, kFull, kMinMax };
  enum class FrameChoice { kFirst, kMiddle, kAll, kIndex };

  void read_window(const Config& table);
  void read_frames(const Config& table);

  kernels::PreprocessSpec spec_;
  Equalize equalize_;
  WindowKind window_ = WindowKind::kFull;
  double center_ = 0;
  double width_ = 0;
  FrameChoice frames_ = FrameChoice::kMiddle;
  std::int64_t frame_index_ = 0;
  bool pool_max_ = false;
};

}  // namespace salus::data
