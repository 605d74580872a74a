#include "models/vitals/vitals_step.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "models/vitals/step_known.h"

namespace salus::models {
namespace {

using kernels::padded16;

constexpr std::int64_t kRows = StepEncoder::kRows;

/// The state of a series: that of what is known, then the encoder's floats.
class VitalsStep : public StepNetwork {
 public:
  explicit VitalsStep(VitalsStepParts parts)
      : parts_(std::move(parts)),
        known_(parts_.known),
        feature_row_(padded16((parts_.units ? *parts_.units : parts_.head).inputs())) {}

  std::size_t state_bytes() const override {
    const std::size_t bytes = known_.state_bytes() + parts_.encoder->state_floats() * sizeof(float);
    return (bytes + 7) / 8 * 8;
  }

  std::size_t workspace_bytes(std::int64_t series) const override {
    return sizeof(float) * carve(nullptr).total;
  }

  void start(const float* statics, std::byte* state, float* logits) const override {
    std::fill_n(state, state_bytes(), std::byte{0});
    kernels::AlignedFloats features(static_cast<std::size_t>(feature_row_));
    kernels::AlignedFloats known(static_cast<std::size_t>(known_row()));
    known_.start(statics, known.data());
    set_initial(known.data(), features.data());
    parts_.encoder->start(features.data(), encoder_state(state));
    put_bins(known.data(), features.data());
    if (parts_.known.per_step) {
      std::fill_n(logits, parts_.outputs, std::numeric_limits<float>::quiet_NaN());
      return;
    }
    kernels::AlignedFloats units(static_cast<std::size_t>(units_row()));
    kernels::AlignedFloats padded(static_cast<std::size_t>(parts_.head.row()));
    score(1, features.data(), units.data(), padded.data());
    std::copy_n(padded.data(), parts_.outputs, logits);
  }

  void step(const StepInput& input, std::byte* const* states, float* logits,
            std::byte* workspace) const override {
    const Workspace w = carve(reinterpret_cast<float*>(workspace));
    for (std::int64_t first = 0; first < input.series; first += kRows) {
      step_block(block_of(input, first), states + first, logits + first * parts_.outputs, w);
    }
  }

 private:
  struct Workspace {
    float *features, *known, *units, *logits, *encoder;
    std::size_t total;
  };

  Workspace carve(float* memory) const {
    kernels::Carver carver(memory);
    Workspace w{};
    w.features = carver.take(kRows * feature_row_);
    w.known = carver.take(known_row());
    w.units = carver.take(kRows * units_row());
    w.logits = carver.take(kRows * parts_.head.row());
    w.encoder = carver.take(parts_.encoder->workspace_floats());
    w.total = carver.used();
    return w;
  }

  StepInput block_of(const StepInput& all, std::int64_t first) const {
    const std::int64_t at = first * parts_.known.variables;
    return {.series = std::min(kRows, all.series - first),
            .values = all.values + at,
            .mask = all.mask + at,
            .delta = all.delta + at,
            .statics =
                parts_.known.statics == 0 ? nullptr : all.statics + first * parts_.known.statics};
  }

  float* encoder_state(std::byte* state) const {
    return reinterpret_cast<float*>(state + known_.state_bytes());
  }

  void step_block(const StepInput& input, std::byte* const* states, float* logits,
                  const Workspace& w) const {
    std::array<float*, kRows> encoder_states;
    for (std::int64_t i = 0; i < input.series; ++i) encoder_states[i] = encoder_state(states[i]);
    parts_.encoder->step(input, encoder_states.data(), w.features, feature_row_, w.encoder);
    for (std::int64_t i = 0; i < input.series; ++i) {
      float* row = w.features + i * feature_row_;
      known_.step(input, i, states[i], w.known);
      put_bins(w.known, row);
    }
    score(input.series, w.features, w.units, w.logits);
    for (std::int64_t i = 0; i < input.series; ++i) {
      std::copy_n(w.logits + i * parts_.head.row(), parts_.outputs, logits + i * parts_.outputs);
    }
  }

  std::int64_t known_row() const { return padded16(parts_.known.width()); }
  std::int64_t units_row() const { return parts_.units ? parts_.units->row() : 0; }

  /// Features -> logits [rows, head.row()], through the rectified units if there are any.
  void score(std::int64_t rows, const float* features, float* units, float* logits) const {
    if (!parts_.units) {
      parts_.head(rows, features, feature_row_, logits);
      return;
    }
    (*parts_.units)(rows, features, feature_row_, units);
    for (std::int64_t i = 0; i < rows * units_row(); ++i) units[i] = std::max(units[i], 0.0f);
    parts_.head(rows, units, units_row(), logits);
  }

  /// The state before the first bin, from the static covariates.
  void set_initial(const float* known, float* features) const {
    if (!parts_.static_state) return;
    kernels::AlignedFloats sums(static_cast<std::size_t>(parts_.static_state->row()));
    (*parts_.static_state)(1, known, parts_.known.statics, sums.data());
    std::transform(sums.begin(), sums.begin() + parts_.hidden, features,
                   [](float sum) { return std::tanh(sum); });
  }

  /// What is known, by its quantile bins if there are such, beside the state.
  void put_bins(const float* known, float* features) const {
    float* to = features + parts_.hidden;
    if (!parts_.bins) {
      std::copy_n(known, parts_.known.width(), to);
      return;
    }
    (*parts_.bins)(known, [&](std::int64_t f) { return parts_.known.present(known, f); }, to);
  }

  VitalsStepParts parts_;
  StepKnown known_;
  std::int64_t feature_row_;
};

}  // namespace

std::unique_ptr<StepNetwork> make_vitals_step(VitalsStepParts parts) {
  return std::make_unique<VitalsStep>(std::move(parts));
}

}  // namespace salus::models
