#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>

#include "engine/core/model.h"
#include "models/image/layers.h"
#include "models/options.h"

namespace salus::models {

/// What image networks share: feature map -> global average -> dropout -> linear head.
///
/// The head runs in float32 also under autocast: a logit rounded to bfloat16 has only 8 bits, which
/// ties scores that differ.
class ImageModel : public Model {
 public:
  at::Tensor embed(const Batch& batch) override { return pool(feature_map(batch)); }
  at::Tensor feature_map(const Batch& batch) override;
  at::Tensor pool(const at::Tensor& map) override;
  at::Tensor classify(const at::Tensor& features) override;
  void prepare_inference(at::ScalarType dtype) override;

  /// \param image  [N, C, H, W].
  /// \returns the last feature map [N, E, h, w].
  virtual at::Tensor features(const at::Tensor& image) = 0;

 protected:
  explicit ImageModel(double dropout);
  virtual torch::nn::Linear& head_layer() = 0;

 private:
  double dropout_;
};

}  // namespace salus::models
