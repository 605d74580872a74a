#include "models/vitals/transformer_step.h"

#include <algorithm>
#include <cmath>

#include "kernels/packed_linear.h"
#include "models/vitals/step_attention.h"

namespace salus::models {
namespace {

using kernels::PackedLinear;
using kernels::padded16;

PackedLinear packed(const WeightAndBias& layer) { return {layer.weight, layer.bias}; }

std::vector<float> floats(const at::Tensor& tensor) {
  const at::Tensor plain = tensor.contiguous();
  return {plain.const_data_ptr<float>(), plain.const_data_ptr<float>() + plain.numel()};
}

/// torch.nn.LayerNorm over a row, eps 1e-5.
class Norm {
 public:
  explicit Norm(const WeightAndBias& layer)
      : weight_(floats(layer.weight)), bias_(floats(layer.bias)) {}

  void operator()(const float* x, float* y) const {
    const auto count = static_cast<std::int64_t>(weight_.size());
    double mean = 0, variance = 0;
    for (std::int64_t j = 0; j < count; ++j) mean += x[j];
    mean /= static_cast<double>(count);
    for (std::int64_t j = 0; j < count; ++j) variance += (x[j] - mean) * (x[j] - mean);
    const double scale = 1 / std::sqrt(variance / static_cast<double>(count) + 1e-5);
    for (std::int64_t j = 0; j < count; ++j) {
      y[j] = static_cast<float>((x[j] - mean) * scale) * weight_[j] + bias_[j];
    }
  }

 private:
  std::vector<float> weight_, bias_;
};

struct Block {
  Norm norm1, norm2;
  PackedLinear qkv, project, expand, contract;
  StepAttention attention;
};

/// The state of a series is the front that StepEmbedding keeps, and per block the ring of its window's
/// keys and values.
class TransformerStep : public StepEncoder {
 public:
  TransformerStep(StepEmbedding embedding, const std::vector<TransformerLayer>& layers,
                  const WeightAndBias& norm)
      : embedding_(std::move(embedding)), hidden_(embedding_.hidden()), norm_(norm) {
    for (const TransformerLayer& layer : layers) {
      blocks_.push_back({Norm(layer.norm1), Norm(layer.norm2), packed(layer.qkv),
                         packed(layer.project), packed(layer.expand), packed(layer.contract),
                         StepAttention(layer.distance_bias, hidden_)});
    }
  }

  std::int64_t state_floats() const override {
    return ring_of(static_cast<std::int64_t>(blocks_.size()));
  }
  std::int64_t workspace_floats() const override {
    return static_cast<std::int64_t>(carve(nullptr).total);
  }

  void start(const float* initial, float* state) const override {
    std::fill_n(state, state_floats(), 0.0f);
    embedding_.start(initial, state);
  }

  void step(const StepInput& input, float* const* states, float* hidden, std::int64_t hidden_row,
            float* workspace) const override {
    const Workspace w = carve(workspace);
    const std::int64_t rows = input.series;
    embedding_(input, states, w.wide, w.x);
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      attend(blocks_[i], ring_of(static_cast<std::int64_t>(i)), rows, states, w);
      feed_forward(blocks_[i], rows, w);
    }
    for (std::int64_t i = 0; i < rows; ++i) {
      norm_(w.x + i * units(), hidden + i * hidden_row);
      StepEmbedding::advance(states[i]);
    }
  }

 private:
  /// Rows: x is the stream of the residuals, y what a layer takes, z what it gives.
  struct Workspace {
    float *x, *y, *z, *wide, *scores;
    std::size_t total;
  };

  std::int64_t units() const { return embedding_.units(); }
  std::int64_t ring_of(std::int64_t block) const {
    return embedding_.state_floats() + block * blocks_.front().attention.ring_floats();
  }

  Workspace carve(float* memory) const {
    kernels::Carver carver(memory);
    Workspace w{};
    w.x = carver.take(kRows * units());
    w.y = carver.take(kRows * units());
    w.z = carver.take(kRows * units());
    w.wide = carver.take(kRows * std::max(padded16(4 * hidden_), embedding_.inputs()));
    w.scores = carver.take(blocks_.front().attention.window());
    w.total = carver.used();
    return w;
  }

  void add(const float* from, float* to) const {
    for (std::int64_t j = 0; j < hidden_; ++j) to[j] += from[j];
  }

  void attend(const Block& block, std::int64_t ring, std::int64_t rows, float* const* states,
              const Workspace& w) const {
    const std::int64_t wide = block.qkv.row();
    for (std::int64_t i = 0; i < rows; ++i) block.norm1(w.x + i * units(), w.y + i * units());
    block.qkv(rows, w.y, units(), w.wide);
    for (std::int64_t i = 0; i < rows; ++i) {
      block.attention(w.wide + i * wide, StepEmbedding::bin(states[i]), states[i] + ring, w.scores,
                      w.y + i * units());
    }
    block.project(rows, w.y, units(), w.z);
    for (std::int64_t i = 0; i < rows; ++i) add(w.z + i * units(), w.x + i * units());
  }

  void feed_forward(const Block& block, std::int64_t rows, const Workspace& w) const {
    const std::int64_t wide = block.expand.row();
    for (std::int64_t i = 0; i < rows; ++i) block.norm2(w.x + i * units(), w.y + i * units());
    block.expand(rows, w.y, units(), w.wide);
    std::transform(w.wide, w.wide + rows * wide, w.wide, [](float v) { return std::max(v, 0.0f); });
    block.contract(rows, w.wide, wide, w.z);
    for (std::int64_t i = 0; i < rows; ++i) add(w.z + i * units(), w.x + i * units());
  }

  StepEmbedding embedding_;
  std::int64_t hidden_;
  Norm norm_;
  std::vector<Block> blocks_;
};

}  // namespace

std::unique_ptr<StepEncoder> transformer_step(StepEmbedding embedding,
                                              const std::vector<TransformerLayer>& layers,
                                              const WeightAndBias& norm) {
  return std::make_unique<TransformerStep>(std::move(embedding), layers, norm);
}

}  // namespace salus::models
