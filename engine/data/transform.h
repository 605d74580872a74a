#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/config.h"
#include "engine/io/image.h"
#include "kernels/image_preprocess.h"

namespace salus::data {

/// Which frame of a multi-frame file is scored.
enum class FrameChoice { kFirst, kMiddle, kAll };

/// How an image becomes the model's input: the [transform] table of a config or bundle. The same
/// code runs in training, evaluation, prediction and serving.
///
///   [transform]
///   size = [224, 224]        # height, width
///   channels = 1
///   window = [40, 400]       # centre, width in modality units; or "file" (the file's first VOI LUT or
///                            # window, else "full"), "full" (range of BitsStored), "minmax" (of the
///                            # image, padding left out)
///   resize = "area"          # area, bilinear, bilinear-antialias, nearest
///   fit = "stretch"          # stretch, pad, crop
///   pad_value = 0.0
///   mean = [0.5]
///   std = [0.5]
///   frames = "middle"        # first, middle, all, or an index
///   pool = "mean"            # how scores of several frames become one: mean, max
class Transform {
 public:
  /// \throws UsageError for a bad or unknown key.
  explicit Transform(const Config& table);

  /// Frames of `image` that are scored, in order.
  std::vector<std::int64_t> frames(const io::Image& image) const;

  /// Kernel parameters of one frame; `pixels` of the result shares the image's memory (32-bit, float
  /// and 1-bit values are widened first).
  kernels::PreprocessImage compile(const io::Image& image, std::int64_t frame) const;

  /// Whole way for one frame: float32 [channels, height, width].
  at::Tensor apply(const io::Image& image, std::int64_t frame) const;

  const kernels::PreprocessSpec& spec() const { return spec_; }
  bool pool_max() const { return pool_max_; }
  double mean() const { return spec_.mean.empty() ? 0 : spec_.mean[0]; }
  double stddev() const { return spec_.stddev.empty() ? 1 : spec_.stddev[0]; }

 private:
  kernels::PreprocessSpec spec_;
  enum class WindowKind { kFixed, kFile, kFull, kMinMax } window_kind_ = WindowKind::kFull;
  double center_ = 0, width_ = 0;
  FrameChoice frames_ = FrameChoice::kMiddle;
  std::int64_t frame_index_ = -1;
  bool pool_max_ = false;
};

}  // namespace salus::data
