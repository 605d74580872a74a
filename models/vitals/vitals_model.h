#pragma once

#include <torch/torch.h>

#include <cstdint>

#include "engine/core/model.h"
#include "engine/core/registry.h"
#include "models/vitals/known_features.h"
#include "models/vitals/quantile_bins.h"
#include "models/vitals/stays.h"
#include "models/vitals/step_encoder.h"

namespace salus::models {

/// What networks on vital signs share: an encoder of the series, beside whose state stand the static
/// covariates and, if asked for, a summary of the series and what is recent of it (KnownFeatures); then
/// dropout and a linear head.
///
/// Per stay the head sees [state after the last valid step, static, summary, recent]; per step
/// (ModelSpec::per_step) [state, static, summary so far, recent] of every step. Static covariates also
/// set the state before the first step, tanh(static_state(static)), which is all that a stay without
/// steps has. Features and logits are float32 whatever the encoder computes in: a logit rounded to
/// bfloat16 would tie scores that differ.
///
/// With the option `bins` each of these numbers stands beside its place among the training part's
/// quantiles, or with `pieces` too is replaced by its piecewise linear encoding
/// (models/vitals/quantile_bins.h).
///
/// With the option `head` a layer of so many rectified units lies between them and the linear head:
/// the embedding then. Before it, too, there is dropout, but for pieces.
///
/// Options: hidden, dropout, summary, recent, bins, pieces, head. Parameters: static_state.{weight,bias} if
/// there are statics, bins.{knots,count} if there are such, head.{weight,bias} if there is such a
/// layer, fc.{weight,bias}, and the encoder's.
class VitalsModel : public Model {
 public:
  /// \throws c10::Error if the batch lacks an input or has one of another shape (stays_of()).
  at::Tensor embed(const Batch& batch) override;
  at::Tensor classify(const at::Tensor& features) override;
  std::string head() const override { return "fc"; }
  void fit_statistics(const std::function<bool(Batch& batch)>& next) override;
  void prepare_inference(at::ScalarType dtype) override;
  std::unique_ptr<StepNetwork> step_network() const override;

 protected:
  explicit VitalsModel(const ModelSpec& spec);

  /// \param stays    floating-point inputs in dtype(). \param initial  [N, H] in dtype(), the state
  ///                 before the first step.
  /// \returns the state after each step [N, T, H]; what lies beyond a stay's length is not used.
  virtual at::Tensor encode(const Stays& stays, const at::Tensor& initial) = 0;
  /// encode() bin by bin; null if it looks ahead.
  virtual std::unique_ptr<StepEncoder> step_encoder() const { return nullptr; }

  std::int64_t variables() const { return known_.variables; }
  std::int64_t hidden() const { return hidden_; }
  double dropout() const { return dropout_; }
  /// What the encoder computes in.
  at::ScalarType dtype() const { return dtype_; }

 private:
  /// The layer of the option `head`, before it is rectified, of the state and what stands beside it.
  at::Tensor units(const at::Tensor& state, const at::Tensor& known);
  at::Tensor initial_state(const at::Tensor& statics);
  at::Tensor at_end(const at::Tensor& states, const at::Tensor& length, const at::Tensor& initial);

  std::int64_t hidden_;
  KnownFeatures known_;
  double dropout_;
  at::ScalarType dtype_ = at::kFloat;
  QuantileBins bins_{nullptr};
  torch::nn::Linear static_state_{nullptr}, head_{nullptr}, fc_{nullptr};
};

/// The options that every vitals model takes, with their help texts, and `more`.
std::map<std::string, std::string> vitals_options(std::map<std::string, std::string> more = {});

}  // namespace salus::models
