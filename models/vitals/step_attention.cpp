#include "models/vitals/step_attention.h"

#include <algorithm>
#include <cmath>

#include "models/vitals/step_ring.h"

namespace salus::models {
namespace {

/// The sum in four chains, which the compiler can lay side by side.
float dot(const float* a, const float* b, std::int64_t count) {
  float sums[4] = {};
  std::int64_t j = 0;
  for (; j + 4 <= count; j += 4) {
    for (int lane = 0; lane < 4; ++lane) sums[lane] += a[j + lane] * b[j + lane];
  }
  for (; j < count; ++j) sums[0] += a[j] * b[j];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/// Scores to weights that sum to 1.
void softmax(float* scores, std::int64_t count) {
  const float most = *std::max_element(scores, scores + count);
  float sum = 0;
  for (std::int64_t s = 0; s < count; ++s) sum += scores[s] = std::exp(scores[s] - most);
  for (std::int64_t s = 0; s < count; ++s) scores[s] /= sum;
}

}  // namespace

StepAttention::StepAttention(const at::Tensor& distance_bias, std::int64_t hidden)
    : window_(distance_bias.size(1)), heads_(distance_bias.size(0)), hidden_(hidden) {
  const at::Tensor plain = distance_bias.contiguous();
  const float* first = plain.const_data_ptr<float>();
  bias_.assign(first, first + plain.numel());
}

void StepAttention::operator()(const float* qkv, std::int64_t t, float* ring, float* scores,
                               float* mixed) const {
  const StepRing rows(ring, window_, 2 * hidden_);  // a key, then a value
  std::copy_n(qkv + hidden_, 2 * hidden_, rows.at(t));
  const std::int64_t reach = std::min(t + 1, window_), size = hidden_ / heads_;
  const float scale = 1 / std::sqrt(static_cast<float>(size));
  for (std::int64_t head = 0; head < heads_; ++head) {
    const std::int64_t at = head * size;
    for (std::int64_t distance = 0; distance < reach; ++distance) {
      const float product = dot(qkv + at, rows.at(t - distance) + at, size);
      scores[distance] = product * scale + bias_[head * window_ + distance];
    }
    softmax(scores, reach);
    std::fill_n(mixed + at, size, 0.0f);
    for (std::int64_t distance = 0; distance < reach; ++distance) {
      const float* value = rows.at(t - distance) + hidden_ + at;
      for (std::int64_t j = 0; j < size; ++j) mixed[at + j] += scores[distance] * value[j];
    }
  }
}

}  // namespace salus::models
