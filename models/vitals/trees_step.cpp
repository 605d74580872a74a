#include "models/vitals/trees_step.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "models/vitals/step_known.h"

namespace salus::models {
namespace {

class TreesStep : public StepNetwork {
 public:
  TreesStep(const KnownFeatures& known, const ForestImpl& forest)
      : known_(known), forest_(forest, known.width()) {}

  std::size_t state_bytes() const override { return (known_.state_bytes() + 7) / 8 * 8; }

  std::size_t workspace_bytes(std::int64_t) const override {
    return sizeof(float) * static_cast<std::size_t>(known_.features().width());
  }

  void start(const float* statics, std::byte* state, float* logits) const override {
    std::fill_n(state, state_bytes(), std::byte{0});
    if (known_.features().per_step) {
      std::fill_n(logits, forest_.outputs(), std::numeric_limits<float>::quiet_NaN());
      return;
    }
    std::vector<float> known(static_cast<std::size_t>(known_.features().width()));
    known_.start(statics, known.data());
    score(known.data(), logits);
  }

  void step(const StepInput& input, std::byte* const* states, float* logits,
            std::byte* workspace) const override {
    auto* known = reinterpret_cast<float*>(workspace);
    for (std::int64_t i = 0; i < input.series; ++i) {
      known_.step(input, i, states[i], known);
      score(known, logits + i * forest_.outputs());
    }
  }

 private:
  /// \param known  becomes NaN where a number is missing.
  void score(float* known, float* logits) const {
    known_.features().mark_missing(known);
    forest_(known, logits);
  }

  StepKnown known_;
  ForestRow forest_;
};

}  // namespace

std::unique_ptr<StepNetwork> trees_step(const KnownFeatures& known, const ForestImpl& forest) {
  return std::make_unique<TreesStep>(known, forest);
}

}  // namespace salus::models
