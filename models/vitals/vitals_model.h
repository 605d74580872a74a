#pragma once

#include <torch/torch.h>

#include <cstdint>

#include "engine/core/model.h"
#include "engine/core/registry.h"

namespace salus::models {

/// A batch of stays: values, mask, delta [N, T, D], length int64 [N], static [N, S].
struct Stays {
  at::Tensor values, mask, delta, length, statics;
};

/// What networks on vital signs share: an encoder of the series, beside whose state at the stay's
/// end stand the static covariates and, if asked for, a summary of the series; then dropout and a
/// linear head.
///
/// Per stay the head sees [state after the last valid step, static, summary]; per step (ModelSpec::
/// per_step) [state, static] of every step. A stay without any step has the encoder's initial state.
/// Options: hidden, dropout, summary.
class VitalsModel : public Model {
 public:
  at::Tensor embed(const Batch& batch) override;
  at::Tensor classify(const at::Tensor& features) override;
  std::string head() const override { return "fc"; }

 protected:
  explicit VitalsModel(const ModelSpec& spec);

  /// \param initial  [N, H], the state before the first step.
  /// \returns the state after each step [N, T, H]; what lies beyond a stay's length is not used.
  virtual at::Tensor encode(const Stays& stays, const at::Tensor& initial) = 0;

  std::int64_t hidden() const { return hidden_; }

 private:
  at::Tensor initial_state(const Stays& stays);

  std::int64_t hidden_, statics_;
  bool per_step_, summary_;
  double dropout_;
  torch::nn::Linear static_state_{nullptr}, fc_{nullptr};
};

/// Per variable over its observed bins within the stay: minimum, maximum, mean, first, last, log(1 +
/// count) and slope per bin of a least-squares line; all 0 where never observed.
/// \returns [N, 7 D].
at::Tensor summarise(const Stays& stays);
inline constexpr std::int64_t kSummaries = 7;

/// Values, mask and log(1 + delta) side by side, [N, T, 3 D]: what plain recurrent networks see.
at::Tensor series_of(const Stays& stays);

/// The options that every vitals model takes, with their help texts, and `more`.
std::map<std::string, std::string> vitals_options(std::map<std::string, std::string> more = {});

}  // namespace salus::models
