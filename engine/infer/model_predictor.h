#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "engine/core/model.h"
#include "engine/core/predictor.h"

namespace salus::infer {

/// Logits float32 [N, L] and penultimate features float32 [N, E] of a batch, on the CPU.
struct Outputs {
  at::Tensor logits, features;
};

/// A network as a Predictor. Every forward pass has the same number of images, the last ones zeros,
/// so that a case's score is the same to the bit alone and in any batch (CPU).
class ModelPredictor : public Predictor {
 public:
  /// Puts the model into evaluation mode on the device.
  ///
  /// \param compute_dtype  "float32", or "bfloat16" (by autocast).
  /// \param prepare        rewrite the model for inference (Model::prepare_inference): faster, and
  ///                       it can no longer be trained.
  /// \throws UsageError for a device that is unknown or not there.
  ModelPredictor(std::shared_ptr<Model> model, std::int64_t micro_batch,
                 const std::string& compute_dtype, const std::string& device, bool prepare = false);

  at::Tensor predict(const Batch& batch) const override { return run(batch).logits; }
  at::Tensor embed(const Batch& batch) const override { return run(batch).features; }

  /// Both in one pass. \throws c10::Error if the model is in training mode.
  Outputs run(const Batch& batch) const;

  std::int64_t micro_batch() const { return micro_batch_; }

 private:
  Batch micro_batch_of(const Batch& batch, std::int64_t begin, std::int64_t count) const;
  Outputs forward(const Batch& batch) const;

  std::shared_ptr<Model> model_;
  std::int64_t micro_batch_;
  at::ScalarType dtype_;
  at::Device device_;
  bool prepared_;
};

}  // namespace salus::infer
