#include "models/vitals/step_embedding.h"

#include <algorithm>
#include <bit>

#include "models/vitals/step_series.h"

namespace salus::models {

void StepEmbedding::start(const float* initial, float* state) const {
  std::copy_n(initial, hidden_, state + kInitial);
}

void StepEmbedding::operator()(const StepInput& input, float* const* states, float* series,
                               float* x) const {
  put_series(input, inputs() / 3, inputs(), series);
  linear_(input.series, series, inputs(), x);
  for (std::int64_t i = 0; i < input.series; ++i) {
    const float* initial = states[i] + kInitial;
    for (std::int64_t j = 0; j < hidden_; ++j) x[i * units() + j] += initial[j];
  }
}

std::int64_t StepEmbedding::bin(const float* state) {
  return std::bit_cast<std::uint32_t>(state[0]);
}

void StepEmbedding::advance(float* state) {
  state[0] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(state[0]) + 1);
}

}  // namespace salus::models
