#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/core/model.h"
#include "engine/core/predictor.h"
#include "engine/infer/bundle.h"

namespace salus::infer {

/// A bundle's network as a Predictor. Runs one fixed micro-batch shape, zero-padded, so that a case's
/// score is the same to the bit alone and in any batch (CPU).
class ModelPredictor : public Predictor {
 public:
  ModelPredictor(std::shared_ptr<Model> model, std::int64_t micro_batch,
                 const std::string& compute_dtype, const std::string& device);
  at::Tensor predict(const Batch& batch) const override;
  at::Tensor embed(const Batch& batch) const override;

 private:
  at::Tensor run(const Batch& batch, bool embedding) const;
  std::shared_ptr<Model> model_;
  std::int64_t micro_batch_;
  at::ScalarType dtype_;
  std::string device_;
};

/// What is said of one input.
struct Prediction {
  std::string id;
  std::vector<std::int64_t> frames;        ///< frames that were scored
  std::vector<double> probabilities;       ///< calibrated, one per label (regression: values)
  std::vector<int> decisions;              ///< at the default operating point, one per label; -1 none
  std::vector<float> logits;               ///< before calibration, pooled over frames
  std::vector<float> embedding;            ///< if asked for
  std::vector<std::string> flags;          ///< why the input does not fit, when scored all the same
  double milliseconds = 0;                 ///< read, transform and score of this input's group
};

struct SessionOptions {
  bool embeddings = false;
  bool force = false;  ///< score images that the bundle does not accept; the reasons become flags
};

/// Bundle -> Transform -> Predictor -> calibration.
class Session {
 public:
  /// \throws Error from load_bundle; UsageError if the registry lacks the architecture.
  static Session load(const std::string& bundle_path, const Registry& registry,
                      const std::string& device = "cpu");
  Session(Bundle bundle, const Registry& registry, const std::string& device);
  ~Session();
  Session(Session&&) noexcept;

  /// Scores images; their frames share micro-batches. \throws Error naming the first that does not fit
  /// if the bundle refuses and `force` is not set.
  std::vector<Prediction> predict(const std::vector<io::Image>& images,
                                  const std::vector<std::string>& ids,
                                  const SessionOptions& options = {}) const;

  /// Calibrated probabilities of logits float32 [N, L] -> float64 [N, L].
  at::Tensor probabilities(const at::Tensor& logits) const;

  const Bundle& bundle() const;
  const data::Transform& transform() const;
  const Predictor& predictor() const;
  std::shared_ptr<Model> model() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace salus::infer
