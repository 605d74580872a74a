#include "engine/core/ensemble_steps.h"

#include <algorithm>

namespace salus {
namespace {

constexpr std::size_t kAlignment = 64;

std::size_t aligned(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

class EnsembleSteps : public StepNetwork {
 public:
  explicit EnsembleSteps(std::vector<EnsembleStepMember> members) : members_(std::move(members)) {}

  std::size_t state_bytes() const override {
    std::size_t bytes = 0;
    for (const auto& member : members_) bytes += member.network->state_bytes();
    return bytes;
  }

  std::size_t workspace_bytes(std::int64_t series) const override {
    std::size_t most = 0;
    for (const auto& member : members_) {
      most = std::max(most, member.network->workspace_bytes(series));
    }
    return pointer_bytes(series) + logit_bytes(series) + most;
  }

  void start(const float* statics, std::byte* state, float* logits) const override {
    std::vector<float> own(labels());
    std::fill_n(logits, labels(), 0.0F);
    for (const auto& member : members_) {
      member.network->start(statics, state, own.data());
      add(member, 1, own.data(), logits);
      state += member.network->state_bytes();
    }
  }

  void step(const StepInput& input, std::byte* const* states, float* logits,
            std::byte* workspace) const override {
    const auto series = input.series;
    auto** own_states = reinterpret_cast<std::byte**>(workspace);
    auto* own = reinterpret_cast<float*>(workspace + pointer_bytes(series));
    std::byte* rest = workspace + pointer_bytes(series) + logit_bytes(series);
    std::copy_n(states, series, own_states);
    std::fill_n(logits, series * static_cast<std::int64_t>(labels()), 0.0F);
    for (const auto& member : members_) {
      member.network->step(input, own_states, own, rest);
      add(member, series, own, logits);
      for (std::int64_t n = 0; n < series; ++n) own_states[n] += member.network->state_bytes();
    }
  }

 private:
  std::size_t labels() const { return members_.front().slope.size(); }
  static std::size_t pointer_bytes(std::int64_t series) {
    return aligned(static_cast<std::size_t>(series) * sizeof(std::byte*));
  }
  std::size_t logit_bytes(std::int64_t series) const {
    return aligned(static_cast<std::size_t>(series) * labels() * sizeof(float));
  }

  /// Adds the member's share of the mean to the logits [N, L].
  void add(const EnsembleStepMember& member, std::int64_t series, const float* own,
           float* logits) const {
    const float share = 1.0F / static_cast<float>(members_.size());
    for (std::int64_t n = 0; n < series; ++n) {
      for (std::size_t l = 0; l < labels(); ++l, ++own, ++logits) {
        *logits += share * (member.slope[l] * *own + member.intercept[l]);
      }
    }
  }

  std::vector<EnsembleStepMember> members_;
};

}  // namespace

std::unique_ptr<StepNetwork> ensemble_steps(std::vector<EnsembleStepMember> members) {
  return std::make_unique<EnsembleSteps>(std::move(members));
}

}  // namespace salus
