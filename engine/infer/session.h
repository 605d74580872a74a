#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/predictor.h"
#include "engine/core/registry.h"
#include "engine/infer/bundle.h"
#include "engine/infer/model_predictor.h"

namespace salus::infer {

/// What is said of one input.
struct Prediction {
  std::string id;
  std::optional<double>
      hour;  ///< of a model with labels a step: begin of the step, since the stay's
  std::vector<std::int64_t> frames;   ///< frames that were scored
  std::vector<std::string> files;     ///< of a series: the file of each scored slice
  std::vector<double> probabilities;  ///< calibrated, one per label (regression: values)
  std::vector<int> decisions;         ///< one per label: 1 positive, 0 negative at the label's
                                      ///< default operating point, -1 if it has none
  std::vector<float> logits;          ///< before calibration, pooled over frames
  std::vector<float> embedding;       ///< if asked for; mean over frames
  std::vector<std::string> flags;     ///< why the input does not fit, when scored all the same
  std::vector<std::string> warnings;  ///< of an image: what was odd in its file (io::Image)
  double milliseconds = 0;            ///< transform and score of this input's group
};

struct SessionOptions {
  bool embeddings = false;
  bool force = false;  ///< score what the bundle refuses, with flags
  bool fit = false;    ///< refusal() of every image was "": they are not looked at again
};

/// Bundle -> Transform -> Predictor -> calibration. Const methods are thread-safe.
class Session {
 public:
  /// \throws Error from load_bundle or if the weights do not fit the model; UsageError if the
  ///         registry lacks the architecture or the device is not there.
  static Session load(const std::string& bundle_path, const Registry& registry,
                      const std::string& device = "cpu");
  Session(Bundle bundle, const Registry& registry, const std::string& device);
  ~Session();
  Session(Session&&) noexcept;

  /// Scores images; all frames of all images share micro-batches. A multiclass task without
  /// operating points decides for the most probable class.
  ///
  /// \throws Error if an image does not fit (mismatches) and the bundle refuses, has no pixels or frame to
  ///         score, or has a score that is not a number; of several images the message names the
  ///         id. UsageError if the bundle is not for images.
  std::vector<Prediction> predict(const std::vector<io::Image>& images,
                                  const std::vector<std::string>& ids,
                                  const SessionOptions& options = {}) const;

  /// Scores inputs that are ready for the model, one prediction per case or, for a model with labels a
  /// step, per step within the case's length: cases in order, steps ascending.
  /// \throws Error naming the id of a case whose score is not a number.
  std::vector<Prediction> predict(const Batch& batch, const SessionOptions& options = {}) const;

  /// Sentences that say why `image` is not to be scored: it is not what the bundle takes (Acceptance),
  /// or its pixels hold no picture (pixel_mismatches). Empty = nothing is wrong.
  /// \throws Error if it has no frame to score; UsageError if the bundle is not for images.
  std::vector<std::string> mismatches(const io::Image& image) const;

  /// Why predict() would refuse `image` unless forced, beginning with `id`; "" if it would not.
  std::string refusal(const io::Image& image, const std::string& id) const;

  /// Calibrated probabilities of logits float32 [N, L] -> float64 [N, L] (regression: values).
  at::Tensor probabilities(const at::Tensor& logits) const;

  /// Decisions, as in Prediction, of one case's probabilities.
  std::vector<int> decisions(const std::vector<double>& probabilities) const;

  const Bundle& bundle() const;
  /// Of images. \throws UsageError if the bundle is of another modality.
  const data::Transform& transform() const;
  const ModelPredictor& predictor() const;
  /// The network in float32 and evaluation mode on the session's device, for gradients. Built when
  /// first asked for; its parameters take no gradients, and it must not be changed.
  std::shared_ptr<Model> model() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace salus::infer
