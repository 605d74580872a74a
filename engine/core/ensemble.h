#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/core/model.h"

namespace salus {

/// What an ensemble calls its member m: "member0".
std::string member_name(std::size_t member);

/// Several models of one task on the same inputs. A logit is the mean over the members of slope_m z_m +
/// intercept_m, label by label: an average in logit space, after the calibration (Platt) that makes
/// the members' logits comparable.
///
/// Parameters are the members' under "member0.", "member1.", ...; buffers "slope0", "intercept0", ...
/// float32 [L], which are 1 and 0 until they are set. Features are the members' side by side.
class Ensemble : public Model {
 public:
  /// \param members  at least one, each with `outputs` outputs.
  Ensemble(std::vector<std::shared_ptr<Model>> members, std::int64_t outputs);

  at::Tensor embed(const Batch& batch) override;
  at::Tensor classify(const at::Tensor& features) override;
  void prepare_line(const Batch& from, const Batch& to) override;
  std::unique_ptr<StepNetwork> step_network() const override;
  void prepare_inference(at::ScalarType dtype) override;

 private:
  std::vector<std::shared_ptr<Model>> members_;
  std::vector<at::Tensor> slopes_, intercepts_;
  std::once_flag measured_;
  std::vector<std::int64_t> widths_;  ///< of the members' features, known after the first embed()
};

}  // namespace salus
