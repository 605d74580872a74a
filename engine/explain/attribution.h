#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "engine/core/model.h"

namespace salus::explain {

/// An attribution in the model's input, and the logit that it explains.
struct Attribution {
  at::Tensor map;  ///< float32 [h, w] on the CPU; [H, W] of the input for occlusion
  double logit = 0;
};

/// Grad-CAM of output `label` for one image float32 [1, C, H, W].
/// \throws Error if the model has no feature map.
Attribution grad_cam(Model& model, const at::Tensor& image, std::int64_t label);

/// Occlusion of output `label` for one image float32 [1, C, H, W], `batch` hidden copies at a time.
///
/// \param hidden  value per channel [C] that hides, in the model's input.
Attribution occlusion(Model& model, const at::Tensor& image, std::int64_t label,
                      std::int64_t window, std::int64_t stride, const at::Tensor& hidden,
                      std::int64_t batch);

}  // namespace salus::explain
