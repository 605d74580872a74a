#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "engine/infer/session.h"

namespace salus::explain {

/// How a heatmap is made.
enum class Method {
  kGradCam,   ///< what the last feature map says for the label (Selvaraju et al. 2017)
  kOcclusion  ///< how much the logit falls when a window is hidden (Zeiler and Fergus 2014)
};

struct Options {
  Method method = Method::kGradCam;
  std::int64_t frame = -1;  ///< -1: the first frame that the transform scores
  /// Occlusion: side of the square window and step between windows, in pixels of the model's input;
  /// 0 = an eighth of the shorter side, and half the window.
  std::int64_t window = 0;
  std::int64_t stride = 0;
};

/// What a score rests on, over the pixels of the source image.
struct Heatmap {
  at::Tensor values;   ///< float32 [H, W] of the source image, 0 where the model does not look
  std::string method;  ///< "grad-cam", "occlusion"
  std::string label;
  std::int64_t frame = 0;
  double logit = 0;    ///< of the frame, before calibration
  double largest = 0;  ///< largest magnitude in `values`, the end of the overlay's scale
};

/// Explains the logit of one label for one frame of an image.
///
/// Grad-CAM: relu(sum over channels of mean gradient x feature map), enlarged bilinearly; never
/// negative. Occlusion: logit - logit with the window at the transform's pad value, averaged over
/// the windows that cover a pixel; negative where hiding raises the logit. Padding and cropping of
/// the transform are undone: what a crop leaves out is 0.
///
/// \param label  one of the bundle's labels; "" the first, or for a multiclass task the most
///               probable.
/// \throws UsageError for an unknown label (naming the nearest), a frame that the image does not
///         have, or a window or stride below 1; Error if the image does not fit the bundle, or the
///         model has no feature map (Grad-CAM).
Heatmap explain(const infer::Session& session, const io::Image& image, const std::string& label,
                const Options& options = {});

/// "grad-cam" or "occlusion". \throws UsageError naming them.
Method parse_method(const std::string& name);
std::string to_string(Method method);

}  // namespace salus::explain
